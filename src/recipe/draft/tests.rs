use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::recipe::parse;

fn example() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/recipes/mx24-terminal.toml");
    fs::read_to_string(file).expect("the example exists")
}

fn id() -> RecipeId {
    "mx24-terminal".parse().expect("an id")
}

/// Fails unless the text is a valid recipe.
fn check(text: &str) {
    parse(&id(), Path::new("/r.toml"), text).expect("a recipe");
}

#[test]
fn text_with_its_own_content_stays_as_it_is() {
    let text = example();
    let draft = Draft::read(&text).expect("a draft");
    assert_eq!(draft.regions.len(), 3);
    assert_eq!(draft.regions[2].cameras, ["line"]);
    assert_eq!(draft.masks[1].name, "belt-below");
    assert_eq!(draft.write_to(&text).expect("written"), text);
}

#[test]
fn changes_keep_comments_and_all_other_lines() {
    let text = example();
    let change = |change: fn(&mut Draft), from: &str, to: &str| {
        let mut draft = Draft::read(&text).expect("a draft");
        change(&mut draft);
        let changed = draft.write_to(&text).expect("written");
        assert_eq!(changed, text.replace(from, to));
        check(&changed);
    };
    change(
        |draft| draft.threshold = Some(0.2),
        "threshold = 0.127\n",
        "threshold = 0.2\n",
    );
    change(
        |draft| draft.regions[1].polygon[0] = [0.671_234_5, 0.34],
        "[[0.67, 0.33], [0.87, 0.33], [0.87, 0.63]",
        "[[0.67123, 0.34], [0.87, 0.33], [0.87, 0.63]",
    );
    change(
        |draft| draft.regions[2].cameras.clear(),
        "# Other cameras do not see the label.\ncameras = [\"line\"]\n",
        "",
    );
    change(
        |draft| draft.masks[1].name = "floor".to_owned(),
        "\"belt-below\"",
        "\"floor\"",
    );
    change(
        |draft| drop(draft.masks.remove(0)),
        "# The belt at the upper edge does not belong to the product.\n[[ignore]]\nname = \"belt\"\n\
         polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [0.0, 0.1]]\n\n",
        "",
    );
}

#[test]
fn regions_move_with_their_comments_and_new_ones_are_written_as_a_person_would() {
    let text = example();
    let mut draft = Draft::read(&text).expect("a draft");
    draft.regions.swap(0, 1);
    let corners = [
        [0.0, 0.0],
        [0.1, 0.0],
        [0.2, 0.1],
        [0.3, 0.3],
        [0.2, 0.4],
        [0.1, 0.41],
        [0.0, 0.333_333_3],
    ];
    draft.regions.push(DraftArea {
        name: "corner".to_owned(),
        polygon: corners.to_vec(),
        threshold: Some(0.3),
        ..DraftArea::default()
    });
    draft.cameras.insert(
        "line".to_owned(),
        DraftCamera {
            crop: Some(DraftCrop {
                left: 0,
                top: 8,
                right: 320,
                bottom: 200,
            }),
            rotate: Some(90),
            ..DraftCamera::default()
        },
    );
    let changed = draft.write_to(&text).expect("written");
    check(&changed);
    let at = |part: &str| {
        changed
            .find(part)
            .unwrap_or_else(|| panic!("{part}:\n{changed}"))
    };
    assert!(at("# The relay, without the pins") < at("name = \"relay\""));
    assert!(at("name = \"relay\"") < at("# The terminal block and its wire"));
    assert!(at("# The terminal block and its wire") < at("name = \"terminal\""));
    assert!(at("name = \"label\"") < at("name = \"corner\""));
    assert!(at("name = \"corner\"") < at("[[ignore]]"));
    at(
        "name = \"corner\"\npolygon = [\n    [0.0, 0.0], [0.1, 0.0], [0.2, 0.1], [0.3, 0.3],\n    [0.2, 0.4], [0.1, 0.41], [0.0, 0.33333],\n]\nthreshold = 0.3\n",
    );
    at("[cameras.line]\ncrop = { left = 0, top = 8, right = 320, bottom = 200 }\nrotate = 90\n");
    assert_eq!(Draft::read(&changed).expect("a draft").regions.len(), 4);
}

#[test]
fn regions_written_as_a_list_are_changed_too() {
    let text = "product = \"p\"\nversion = \"1\"\nbundle = \"b\"\nregions = [{ name = \"a\", polygon = [[0, 0], [1, 0], [1, 1]] }]\n";
    let mut draft = Draft::read(text).expect("a draft");
    draft.regions[0].threshold = Some(2.0);
    let changed = draft.write_to(text).expect("written");
    check(&changed);
    assert_eq!(Draft::read(&changed).expect("a draft"), draft);
}

#[test]
fn new_recipe_becomes_valid_with_a_content() {
    let text = new_text(&id());
    let mut draft = Draft::read(&text).expect("a draft");
    draft.bundle = "../bundles/mx24".to_owned();
    let text = draft.write_to(&text).expect("written");
    check(&text);
    assert!(text.starts_with("# Recipe mx24-terminal"), "{text}");
}

#[test]
fn threshold_is_set_in_its_place_and_removed_from_it() {
    let text = example();
    let set = |key: &ThresholdKey, value| with_threshold(&text, key, value).expect("written");
    let region = ThresholdKey::Region("terminal".to_owned());
    let expected = text.replace("threshold = 0.11\n", "threshold = 0.14\n");
    assert_eq!(set(&region, Some(0.14)), expected);
    let expected = text.replace("threshold = 0.11\n", "");
    assert_eq!(set(&region, None), expected);
    let expected = text.replace("threshold = 0.127\n", "threshold = 0.2\n");
    assert_eq!(set(&ThresholdKey::General, Some(0.2)), expected);
    let camera = set(&ThresholdKey::Camera("line".to_owned()), Some(0.2));
    assert!(
        camera.ends_with("\n[cameras.line]\nthreshold = 0.2\n"),
        "{camera}"
    );
    check(&camera);
    let unknown = ThresholdKey::Region("pins".to_owned());
    let refused = with_threshold(&text, &unknown, None);
    assert_eq!(refused, Err("it has no region pins".to_owned()));
}

fn areas() -> impl Strategy<Value = Vec<DraftArea>> {
    let area = (
        "[a-e]",
        prop::collection::vec([0.0_f64..1.0, 0.0..1.0], 3..9),
        prop::option::of(0.0_f64..9.0),
        prop::option::of(0.0_f64..0.5),
        prop::collection::vec("[a-z]{1,5}", 0..3),
    );
    let area = area.prop_map(|(name, polygon, threshold, min_area, cameras)| DraftArea {
        name,
        polygon: polygon
            .into_iter()
            .map(|corner| corner.map(rounded))
            .collect(),
        threshold,
        min_area,
        cameras,
        review_from: None,
    });
    prop::collection::vec(area, 0..5)
}

proptest! {
    #[test]
    fn content_that_was_written_is_read_back(
        regions in areas(),
        masks in areas(),
        threshold in prop::option::of(-9.0_f64..9.0),
        from_example: bool,
    ) {
        let text = if from_example { example() } else { new_text(&id()) };
        let strip = |mut mask: DraftArea| {
            mask.threshold = None;
            mask.min_area = None;
            mask
        };
        let draft = Draft {
            product: "p".to_owned(),
            version: "1".to_owned(),
            bundle: "b".to_owned(),
            threshold,
            regions,
            masks: masks.into_iter().map(strip).collect(),
            ..Draft::default()
        };
        let written = draft.write_to(&text).expect("written");
        let mut read = Draft::read(&written).expect("a draft");
        // 0 stands for a key that is not set.
        read.min_area = None;
        let no_area = |area: &mut DraftArea| area.min_area = area.min_area.filter(|area| *area != 0.0);
        read.regions.iter_mut().for_each(no_area);
        let mut expected = draft.clone();
        expected.regions.iter_mut().for_each(no_area);
        prop_assert_eq!(&read, &expected);
        prop_assert_eq!(draft.write_to(&written).expect("written"), written);
    }
}

#[test]
fn controls_of_a_camera_are_set_and_removed_and_everything_else_stays() {
    let text = "product = \"p\"\n# The upper one.\n[cameras.top]\nexposure_us = 800 # short\nrotate = 90\n";
    let changed = |exposure_us, gain| with_controls(text, "top", exposure_us, gain).expect("TOML");
    assert_eq!(changed(Some(800), None), text);
    assert_eq!(changed(Some(650), None), text.replace("800", "650"));
    assert_eq!(changed(Some(800), Some(1.5)), format!("{text}gain = 1.5\n"));
    let without = text.replace("exposure_us = 800 # short\n", "");
    assert_eq!(changed(None, None), without);
    with_controls("cameras = 3\n", "top", None, Some(1.0)).expect_err("not a table");
}
