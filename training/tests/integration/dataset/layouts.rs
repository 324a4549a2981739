//! Files that are found in each dataset layout.

use std::fs;
use std::path::Path;

use inspectd_core::image_file::decode;
use inspectd_test_support::{external_data, require};
use mhkd::dataset::masks::load_masks;
use mhkd::dataset::{Dataset, Group, Kind, Layout, images_below, open};

use super::tree::{MVTEC_AD, Tree, names};

/// Describes each test image as `PATH KIND MASKS`.
fn tests(dataset: &Dataset, root: &Path) -> Vec<String> {
    let line = |item: &mhkd::dataset::TestItem| {
        let kind = match &item.kind {
            Kind::Good => "good".to_owned(),
            Kind::Anomalous { type_name, group } => format!("{type_name}/{group:?}"),
        };
        let [path] = &names(std::slice::from_ref(&item.path), root)[..] else {
            unreachable!("one path gives one name");
        };
        format!("{path} {kind} {}", names(&item.masks, root).join(" "))
            .trim_end()
            .to_owned()
    };
    dataset.test.iter().map(line).collect()
}

fn open_error(path: &Path, category: Option<&str>, layout: Option<Layout>) -> String {
    format!(
        "{:#}",
        open(path, category, layout, 1).expect_err("not a valid dataset")
    )
}

#[test]
fn mvtec_ad_anomalous_images_have_one_mask_each() {
    let tree = Tree::new(&MVTEC_AD);
    let nut = tree.root().join("nut");
    let dataset = tree.open(Some("nut"));
    assert_eq!(
        (dataset.layout, dataset.category.as_str()),
        (Layout::MvtecAd, "nut")
    );
    assert_eq!((dataset.train.len(), dataset.validation.len()), (1, 1));
    assert_eq!(
        tests(&dataset, &nut),
        [
            "test/bent/000.png bent/Unspecified ground_truth/bent/000_mask.png",
            "test/bent/001.png bent/Unspecified ground_truth/bent/001_mask.png",
            "test/good/000.png good",
        ]
    );
    // The name of the only category may be omitted, and the folder of the category may be given.
    assert_eq!(tree.open(None), dataset);
    assert_eq!(open(&nut, None, None, 1).expect("a category"), dataset);
    assert_eq!(
        open(&nut, Some("nut"), None, 1).expect("a category"),
        dataset
    );

    // A missing mask only concerns the pixel-level metrics.
    fs::remove_file(nut.join("ground_truth/bent/001_mask.png")).expect("the path exists");
    assert_eq!(
        tests(&tree.open(None), &nut)[1],
        "test/bent/001.png bent/Unspecified"
    );
}

#[test]
fn masks_are_found_by_the_name_of_their_image_in_any_case_and_with_any_extension() {
    let tree = Tree::new(&[
        "nut/train/good/0.png",
        "nut/test/good/0.png",
        "nut/test/bent/000.png",
        "nut/test/bent/001.png",
        "nut/test/bent/Part2.png",
        "nut/ground_truth/bent/000.png",
        "nut/ground_truth/bent/001_MASK.PNG",
        "nut/ground_truth/bent/part2-mask.bmp",
        "nut/ground_truth/bent/._000.png",
        "nut/train/good/1.png",
    ]);
    let nut = tree.root().join("nut");
    assert_eq!(
        tests(&tree.open(None), &nut)[..3],
        [
            "test/bent/000.png bent/Unspecified ground_truth/bent/000.png",
            "test/bent/001.png bent/Unspecified ground_truth/bent/001_MASK.PNG",
            "test/bent/Part2.png bent/Unspecified ground_truth/bent/part2-mask.bmp",
        ]
    );
}

#[test]
fn training_images_in_subfolders_are_used() {
    let tree = Tree::new(&[
        "train/good/0.png",
        "train/good/mon/0.png",
        "train/good/tue/0.png",
        "test/bad/0.png",
    ]);
    let dataset = tree.open(None);
    assert_eq!(dataset.train.len() + dataset.validation.len(), 3);
    assert_eq!(
        tests(&dataset, &tree.root()),
        ["test/bad/0.png bad/Unspecified"]
    );
}

#[test]
fn mvtec_loco_has_validation_images_and_several_masks_per_image() {
    let tree = Tree::new(&[
        "pins/train/good/000.png",
        "pins/validation/good/000.png",
        "pins/test/good/000.png",
        "pins/test/logical_anomalies/000.png",
        "pins/test/structural_anomalies/000.png",
        "pins/ground_truth/logical_anomalies/000/000.png",
        "pins/ground_truth/logical_anomalies/000/001.png",
        "pins/ground_truth/structural_anomalies/000/000.png",
    ]);
    tree.file("pins/defects_config.json", b"[]");
    let pins = tree.root().join("pins");
    let dataset = tree.open(None);
    assert_eq!(dataset.layout, Layout::MvtecLoco);
    assert_eq!(names(&dataset.train, &pins), ["train/good/000.png"]);
    assert_eq!(
        names(&dataset.validation, &pins),
        ["validation/good/000.png"]
    );
    assert_eq!(
        tests(&dataset, &pins),
        [
            "test/good/000.png good",
            "test/logical_anomalies/000.png logical_anomalies/Logical ground_truth/logical_anomalies/000/000.png ground_truth/logical_anomalies/000/001.png",
            "test/structural_anomalies/000.png structural_anomalies/Structural ground_truth/structural_anomalies/000/000.png",
        ]
    );
    assert!(dataset.test.iter().any(|item| matches!(
        &item.kind,
        Kind::Anomalous {
            group: Group::Logical,
            ..
        }
    )));

    fs::remove_dir_all(pins.join("ground_truth/logical_anomalies/000")).expect("the path exists");
    let message = open_error(&pins, None, None);
    assert!(
        message.contains("masks of") && message.contains("logical_anomalies/000: folder not found"),
        "{message}"
    );
}

#[test]
fn visa_is_split_by_its_csv_file() {
    let tree = Tree::new(&[
        "candle/Data/Images/Normal/0000.png",
        "candle/Data/Images/Normal/0001.png",
        "candle/Data/Images/Normal/0002.png",
        "candle/Data/Images/Anomaly/000.png",
        "candle/Data/Masks/Anomaly/000.png",
    ]);
    let rows = "object,split,label,image,mask\n\
        candle,train,normal,candle/Data/Images/Normal/0001.png,\n\
        candle,train,normal,candle/Data/Images/Normal/0000.png,\n\
        pcb1,train,normal,pcb1/Data/Images/Normal/0000.png,\n\
        candle,test,normal,candle/Data/Images/Normal/0002.png,\n\
        candle,test,anomaly,candle/Data/Images/Anomaly/000.png,candle/Data/Masks/Anomaly/000.png\n";
    tree.file("split_csv/1cls.csv", rows.as_bytes());
    let dataset = tree.open(Some("candle"));
    assert_eq!(dataset.layout, Layout::Visa);
    assert_eq!((dataset.train.len(), dataset.validation.len()), (1, 1));
    assert_eq!(
        tests(&dataset, &tree.root().join("candle")),
        [
            "Data/Images/Anomaly/000.png anomaly/Unspecified Data/Masks/Anomaly/000.png",
            "Data/Images/Normal/0002.png good",
        ]
    );

    let image = tree.root().join("candle/Data/Images/Normal/0002.png");
    fs::remove_file(image).expect("the path exists");
    let message = open_error(&tree.root(), Some("candle"), None);
    assert!(
        message.contains("Normal/0002.png: file not found, but"),
        "{message}"
    );
    fs::remove_dir_all(tree.root().join("split_csv")).expect("the path exists");
    let message = open_error(&tree.root(), Some("candle"), None);
    assert!(
        message.contains("1cls.csv: cannot read the split of the visa layout"),
        "{message}"
    );
}

#[test]
fn retinal_oct_uses_healthy_eyes_for_training_and_diseases_for_test() {
    let tree = Tree::new(&[
        "train/NORMAL/NORMAL-1-1.jpeg",
        "train/CNV/CNV-1-1.jpeg",
        "val/NORMAL/NORMAL-2-1.jpeg",
        "test/NORMAL/NORMAL-3-1.jpeg",
        "test/CNV/CNV-3-1.jpeg",
        "test/DRUSEN/DRUSEN-3-1.jpeg",
    ]);
    let dataset = tree.open(None);
    assert_eq!(dataset.layout, Layout::RetinalOct);
    assert_eq!(
        names(&dataset.train, &tree.root()),
        ["train/NORMAL/NORMAL-1-1.jpeg"]
    );
    assert_eq!(
        names(&dataset.validation, &tree.root()),
        ["val/NORMAL/NORMAL-2-1.jpeg"]
    );
    assert_eq!(
        tests(&dataset, &tree.root()),
        [
            "test/NORMAL/NORMAL-3-1.jpeg good",
            "test/CNV/CNV-3-1.jpeg CNV/Unspecified",
            "test/DRUSEN/DRUSEN-3-1.jpeg DRUSEN/Unspecified",
        ]
    );
}

#[test]
fn plain_folder_requires_only_good_training_images() {
    let tree = Tree::new(&["train/good/b.png", "train/good/a.jpg", "train/good/c.bmp"]);
    tree.file("train/good/.hidden.png", b"");
    tree.file("train/good/notes.txt", b"");
    let dataset = tree.open(None);
    assert_eq!(dataset.layout, Layout::Folder);
    assert_eq!(
        (
            dataset.train.len(),
            dataset.validation.len(),
            dataset.test.len()
        ),
        (2, 1, 0)
    );

    let tree = Tree::new(&[
        "train/good/0.png",
        "validation/good/0.png",
        "test/good/0.png",
        "test/dent/0.png",
        "test/stain/0.png",
        "ground_truth/dent/0_mask.png",
    ]);
    let dataset = tree.open(None);
    assert_eq!((dataset.train.len(), dataset.validation.len()), (1, 1));
    assert_eq!(
        tests(&dataset, &tree.root()),
        [
            "test/dent/0.png dent/Unspecified ground_truth/dent/0_mask.png",
            "test/good/0.png good",
            "test/stain/0.png stain/Unspecified",
        ]
    );
}

#[test]
fn missing_files_folders_and_categories_are_named() {
    let tree = Tree::new(&MVTEC_AD);
    let root = tree.root();
    fs::create_dir_all(root.join("bolt/train/good")).expect("a folder");
    let check = |path: &Path, category, layout, expected: &str| {
        let message = open_error(path, category, layout);
        assert!(
            message.contains(expected),
            "{expected:?} not found in {message:?}"
        );
    };
    check(&root.join("screw"), None, None, "screw: folder not found");
    check(
        &root,
        None,
        None,
        "contains several categories; choose one: bolt, nut",
    );
    check(
        &root,
        Some("screw"),
        None,
        "category \"screw\" not found (available: bolt, nut)",
    );
    check(
        &root.join("nut"),
        Some("screw"),
        None,
        "category \"screw\" not found (the folder is a single category; omit the category name)",
    );
    check(
        &root,
        Some("bolt"),
        None,
        "bolt/train/good: contains no images (png, jpg, jpeg, tif, tiff, bmp)",
    );
    check(
        &root.join("nut/test"),
        None,
        None,
        "nut/test: not the folder of a dataset; must contain train/good",
    );
    check(
        &root.join("nut/train/good/000.png"),
        None,
        None,
        "000.png: not a folder; must be the folder",
    );
    check(
        &root,
        Some("nut"),
        Some(Layout::MvtecLoco),
        "nut/defects_config.json: file not found; the mvtec-loco layout requires it",
    );
    check(
        &root,
        Some("nut"),
        Some(Layout::RetinalOct),
        "nut/test/NORMAL: folder not found",
    );
    check(
        &root,
        Some("bolt"),
        Some(Layout::MvtecAd),
        "bolt/test/good: folder not found; the mvtec-ad layout requires it",
    );
    fs::remove_file(root.join("nut/train/good/001.png")).expect("the path exists");
    check(
        &root,
        Some("nut"),
        None,
        "nut: 1 training image; a dataset without validation images",
    );
}

#[test]
fn fingerprint_depends_on_names_and_contents_but_not_on_location_or_split() {
    let dataset = Tree::new(&MVTEC_AD);
    let same = Tree::new(&MVTEC_AD);
    let fingerprint = |tree: &Tree, seed| {
        let dataset = open(&tree.root(), None, None, seed).expect("a dataset");
        dataset.fingerprint().expect("readable")
    };
    let first = fingerprint(&dataset, 1);
    assert_eq!(first.len(), 64);
    for seed in 0..8 {
        assert_eq!(fingerprint(&same, seed), first);
    }
    same.image("nut/train/good/001.png", 40, 32, 99);
    assert_ne!(fingerprint(&same, 1), first);
    fs::rename(
        dataset.root().join("nut/train/good/001.png"),
        dataset.root().join("nut/train/good/002.png"),
    )
    .expect("the path exists");
    assert_ne!(fingerprint(&dataset, 1), first);
}

#[test]
fn images_in_subfolders_are_found_in_order() {
    let tree = Tree::new(&["b/1.png", "a/2.JPEG", "0.png"]);
    let found = images_below(&tree.root()).expect("three");
    assert_eq!(
        names(&found, &tree.root()),
        ["0.png", "a/2.JPEG", "b/1.png"]
    );
    let message = images_below(&tree.root().join("c"))
        .expect_err("missing folder")
        .to_string();
    assert!(message.ends_with("c: folder not found"), "{message}");
}

#[test]
fn mvtec_ad_bottle_has_all_images_and_masks() {
    let root = require!(external_data("mvtec_ad"));
    let dataset =
        open(&root, Some("bottle"), None, 42).expect("the data folder's README describes it");
    assert_eq!(dataset.layout, Layout::MvtecAd);
    assert_eq!(
        (
            dataset.train.len(),
            dataset.validation.len(),
            dataset.test.len()
        ),
        (189, 20, 83)
    );
    let good = dataset
        .test
        .iter()
        .filter(|item| item.kind == Kind::Good)
        .count();
    assert_eq!(good, 20);
    for item in dataset.test.iter().step_by(10) {
        let frame = decode(&item.path).expect("a PNG");
        let masks = load_masks(item, (frame.width(), frame.height())).expect("masks of image size");
        assert_eq!(masks.len(), usize::from(item.kind != Kind::Good));
        assert!(
            masks
                .iter()
                .all(|mask| mask.values.iter().any(|&value| value > 0))
        );
    }
}
