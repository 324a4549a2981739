use super::*;

fn small() -> SynthOptions {
    SynthOptions {
        width: 40,
        height: 32,
        train: 3,
        validation: 1,
        good_test: 2,
        per_defect: 2,
        ..SynthOptions::default()
    }
}

fn written(options: &SynthOptions) -> (tempfile::TempDir, Summary) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let summary = write(options, &home.path().join("out"), |_, _| {}).expect("writes");
    (home, summary)
}

#[test]
fn written_files_follow_the_layout_of_mvtec_loco() {
    let (home, summary) = written(&small());
    assert_eq!((summary.images, summary.channels), (24, 18));
    for path in [
        "train/good/002.png",
        "validation/good/000.png",
        "test/good/001.png",
        "test/logical_anomalies/009.png",
        "test/structural_anomalies/007.png",
        "ground_truth/logical_anomalies/009/000.png",
        "ground_truth/structural_anomalies/000/000.png",
        "defects_config.json",
        "labels.csv",
    ] {
        assert!(summary.category.join(path).is_file(), "{path}");
    }
    let left = fs::read_dir(home.path()).expect("readable").count();
    assert_eq!(left, 1, "the temporary folder is removed");
}

#[test]
fn mask_contains_only_zero_and_the_pixel_value_of_its_defect() {
    let (_home, summary) = written(&small());
    let path = summary
        .category
        .join("ground_truth/logical_anomalies/000/000.png");
    let channel = image::open(path).expect("an image").into_luma8();
    let value = Defect::LOGICAL[0].pixel_value();
    assert!(channel.pixels().any(|pixel| pixel.0[0] == value));
    assert!(
        channel
            .pixels()
            .all(|pixel| [0, value].contains(&pixel.0[0]))
    );
}

#[test]
fn defects_config_lists_every_defect() {
    let text = config(&small()).expect("JSON");
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    let names: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["defect_name"].as_str())
        .collect();
    assert_eq!(names, Defect::ALL.map(Defect::name));
    for entry in &entries {
        let threshold = &entry["saturation_threshold"];
        assert!(threshold.as_f64() > Some(0.0), "{entry}");
        assert_eq!(
            threshold.is_u64(),
            entry["relative_saturation"] == false,
            "{entry}"
        );
    }
}

#[test]
fn labels_list_the_defect_of_each_test_image() {
    let text = labels(&plan_images(&small()));
    assert_eq!(text.lines().count(), 1 + 2 + 18);
    assert!(text.contains("test/good/000.png,good\n"));
    assert!(text.contains("test/structural_anomalies/000.png,scratch\n"));
    assert!(text.contains("test/logical_anomalies/009.png,wrong_pairing\n"));
}

#[test]
fn non_empty_output_folder_is_rejected_and_unchanged() {
    let home = tempfile::tempdir().expect("a temporary folder");
    fs::write(home.path().join("mine.txt"), "content").expect("writable");
    let error = write(&small(), home.path(), |_, _| {}).expect_err("rejected");
    assert!(error.to_string().contains("is not empty"), "{error}");
    let left = fs::read_dir(home.path()).expect("readable").count();
    assert_eq!(left, 1);
}
