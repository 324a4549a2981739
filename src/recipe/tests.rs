use std::fs;
use std::path::{Path, PathBuf};

use inspectd_core::decision::Thresholds;
use proptest::prelude::*;

use super::*;

const FILE: &str = "/recipes/plate.toml";

/// The three required keys, on lines 1 to 3.
const HEAD: &str = "product = \"Plate\"\nversion = \"1\"\nbundle = \"b\"\n";

const LISTING: RegionRules = RegionRules {
    min_area: 0.0,
    limit: 8,
};

fn id(text: &str) -> RecipeId {
    text.parse().expect("an id")
}

fn camera(text: &str) -> CameraId {
    text.parse().expect("an id")
}

fn parsed(text: &str) -> Recipe {
    parse(&id("plate"), Path::new(FILE), text).expect("a recipe")
}

/// The faults of `HEAD` and `rest`, one a line, without the file's name.
fn faults(rest: &str) -> String {
    faults_of(&format!("{HEAD}{rest}"))
}

fn faults_of(text: &str) -> String {
    let error = parse(&id("plate"), Path::new(FILE), text).expect_err("faults");
    error.to_string().replace(&format!("{FILE}:"), "")
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/recipes")
}

#[test]
fn minimal_recipe_leaves_optional_keys_unset() {
    let recipe = parsed(HEAD);
    assert_eq!(recipe.bundle, Path::new("/recipes/b"));
    assert_eq!(recipe.thresholds, Overrides::default());
    assert_eq!(recipe.min_area.to_bits(), 0);
    assert!(recipe.regions.is_empty() && recipe.ignore.is_empty() && recipe.cameras.is_empty());
}

#[test]
fn fault_has_line_key_value_and_allowed_values() {
    let check = |rest: &str, expected: &str| assert_eq!(faults(rest), expected, "{rest}");
    check(
        "treshold = 1",
        "4: treshold: unknown key; did you mean \"threshold\"?",
    );
    check(
        "threshold = \"a\"",
        "4: threshold: \"a\", must be a finite number",
    );
    check(
        "threshold = nan",
        "4: threshold: nan, must be a finite number",
    );
    check(
        "min_area = 2",
        "4: min_area: 2, must be a fraction of the frame, 0 to 1",
    );
    check(
        "threshold = 0.5\nreview_from = 0.6",
        "5: review_from: 0.6, must be at most threshold, 0.5",
    );
    check(
        "regions = 1",
        "4: regions: 1, must be at most 64 tables [[regions]]",
    );
    check(
        "ignore = [1]",
        "4: ignore[0]: 1, must be a table [[ignore]]",
    );
    check(
        "[[ignore]]\nname = \"a\"",
        "4: ignore[0].polygon: missing, must be a list of 3 to 64 corners [x, y]",
    );
    check(
        "[cameras.Left]",
        "4: cameras: Left, must be an id of 1 to 64 of a-z, 0-9, '-' and '_'",
    );
    check(
        "[cameras.a]\ncolour = 1",
        "5: cameras.a.colour: unknown key",
    );
    check(
        "[cameras.a]\nrotate = 45",
        "5: cameras.a.rotate: 45, must be 0, 90, 180 or 270",
    );
    check(
        "[cameras.a]\nexposure_us = 0",
        "5: cameras.a.exposure_us: 0, must be a whole number, 1 to 10000000",
    );
    check(
        "[cameras.a]\ncrop = { left = 8, top = 0, right = 8, bottom = 9 }",
        "5: cameras.a.crop.right: 8, must be above cameras.a.crop.left, 8",
    );
    check(
        "[cameras.a]\ncrop = { left = 8, top = 0, right = 9 }",
        "5: cameras.a.crop.bottom: missing, must be a whole number, 0 to 32768",
    );
    check("product = 2", "4: not TOML: duplicate key");
}

#[test]
fn fault_of_a_polygon_names_the_corner() {
    let check = |polygon: &str, expected: &str| {
        let rest = format!("[[ignore]]\nname = \"a\"\npolygon = {polygon}");
        assert_eq!(faults(&rest), expected, "{polygon}");
    };
    check(
        "\"round\"",
        "6: ignore[0].polygon: \"round\", must be a list of 3 to 64 corners [x, y]",
    );
    check(
        "[[0, 0], [1, 1]]",
        "6: ignore[0].polygon: 2 corners, must be 3 to 64 corners",
    );
    let corner = "must be a corner [x, y], both numbers from 0 to 1";
    check(
        "[[0, 0],\n [1.5, 1], [1],\n 7]",
        &format!(
            "7: ignore[0].polygon[1]: [1.5, 1], {corner}\n\
             7: ignore[0].polygon[2]: a list of 1, {corner}\n\
             8: ignore[0].polygon[3]: 7, {corner}"
        ),
    );
    let crossing = Polygon::try_new(vec![[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
        .expect_err("crossing sides");
    check(
        "[[0, 0], [1, 1], [1, 0], [0, 1]]",
        &format!(
            "6: ignore[0].polygon: {}, must be {}",
            crossing.0.found(),
            crossing.0.allowed()
        ),
    );
}

#[test]
fn all_faults_are_reported_by_line() {
    let text = "\
versoin = \"1\"
bundle = \"\"
threshold = true

[[regions]]
name = \"a b\"
polygon = [[0, 0], [1, 0], [2, 0]]
min_area = -1

[[regions]]
name = \"label\"
polygon = [[0, 0], [0.1, 0], [0, 0.1]]
min_area = 0.5

[[ignore]]
name = \"label\"
polygon = [[0, 0], [1, 0], [0, 1]]
cameras = [\"left\", \"Right\"]
minarea = 0
";
    let expected = "\
1: versoin: unknown key; did you mean \"version\"?
1: product: missing, must be a text of 1 to 128 letters, on one line
1: version: missing, must be 1 to 64 letters, digits, '.', '_' or '-'
2: bundle: \"\", must be the path of a bundle's folder
3: threshold: true, must be a finite number
6: regions[0].name: \"a b\", must be 1 to 64 letters, digits, '.', '_' or '-'
7: regions[0].polygon[2]: [2, 0], must be a corner [x, y], both numbers from 0 to 1
8: regions[0].min_area: -1, must be a fraction of the frame, 0 to 1
13: regions[1].min_area: 0.5, must be at most the area of the region itself, 0.005000
16: ignore[0].name: \"label\", must be another name than that of line 11
18: ignore[0].cameras[1]: \"Right\", must be an id of 1 to 64 of a-z, 0-9, '-' and '_'
19: ignore[0].minarea: unknown key";
    assert_eq!(faults_of(text), expected);
}

#[test]
fn number_of_reported_faults_is_limited() {
    let keys: Vec<String> = (0..MOST_FAULTS + 5)
        .map(|key| format!("k{key} = 0"))
        .collect();
    let keys = keys.join("\n");
    let reported = faults(&keys);
    assert_eq!(reported.lines().count(), MOST_FAULTS + 1);
    assert_eq!(reported.lines().last(), Some("and 5 more"));
}

#[test]
fn hash_depends_on_the_content_and_not_on_its_format() {
    let region = "[[regions]]\nname = \"a\"\npolygon = [[0, 0], [1, 0], [0, 1]]\n";
    let base = parsed(&format!("{HEAD}{region}"));
    let check = |text: String, same: bool| {
        assert_eq!(parsed(&text).hash == base.hash, same, "{text}");
    };
    assert_eq!(base.hash.len(), 64);
    check(format!("# A comment.\n{HEAD}\n\n{region}"), true);
    check(format!("{HEAD}min_area = 0.0\n{region}"), true);
    check(format!("{HEAD}{region}min_area = 0\n"), true);
    check(
        format!("{HEAD}{}", region.replace("[0, 1]", "[-0.0, 1.0]")),
        true,
    );
    check(format!("{HEAD}threshold = 0.5\n{region}"), false);
    check(format!("{HEAD}{region}min_area = 0.001\n"), false);
    check(format!("{HEAD}{region}cameras = [\"left\"]\n"), false);
    check(
        format!("{HEAD}{}", region.replace("[0, 1]", "[0, 0.9]")),
        false,
    );
    check(format!("{HEAD}{region}[cameras.left]\ngain = 1\n"), false);
    check(format!("{HEAD}{region}").replace("\"b\"", "\"c\""), false);
    let text = format!("{HEAD}{region}");
    let other = parse(&id("other"), Path::new(FILE), &text).expect("a recipe");
    assert_ne!(other.hash, base.hash);
    let elsewhere = parse(&id("plate"), Path::new("/mnt/plate.toml"), &text).expect("a recipe");
    assert_eq!(elsewhere.hash, base.hash);
}

#[test]
fn unset_threshold_is_that_of_the_enclosing_level() {
    let recipe = parsed(&format!(
        "{HEAD}threshold = 0.5
min_area = 0.01
[[regions]]
name = \"inherits\"
polygon = [[0, 0], [1, 0], [0, 1]]
[[regions]]
name = \"own\"
polygon = [[0, 0], [1, 0], [0, 1]]
threshold = 0.7
review_from = 0.6
min_area = 0.02
cameras = [\"left\"]
[[ignore]]
name = \"mask\"
polygon = [[0, 0], [1, 0], [0, 1]]
cameras = [\"right\"]
[cameras.left]
review_from = 0.3
"
    ));
    let configured = Thresholds {
        reject_above: 0.9,
        review_from: Some(0.2),
    };
    let check =
        |id: Option<&str>, general: (f32, f32, f32), regions: &[(&str, f32, f32, f32)], masks| {
            let id = id.map(camera);
            let plan = recipe.plan(id.as_ref(), configured, LISTING);
            let numbers = |rule: Rule| {
                let Thresholds {
                    reject_above,
                    review_from,
                } = rule.thresholds;
                (reject_above, review_from.expect("a band"), rule.min_area)
            };
            assert_eq!(numbers(plan.general), general, "{id:?}");
            let found: Vec<_> = plan
                .regions
                .iter()
                .map(|region| {
                    let (threshold, from, area) = numbers(region.rule);
                    (&*region.name, threshold, from, area)
                })
                .collect();
            assert_eq!(found, regions, "{id:?}");
            assert_eq!(plan.ignored.len(), masks, "{id:?}");
        };
    check(None, (0.5, 0.2, 0.01), &[("inherits", 0.5, 0.2, 0.0)], 0);
    check(
        Some("left"),
        (0.5, 0.3, 0.01),
        &[("inherits", 0.5, 0.3, 0.0), ("own", 0.7, 0.6, 0.02)],
        0,
    );
    check(
        Some("right"),
        (0.5, 0.2, 0.01),
        &[("inherits", 0.5, 0.2, 0.0)],
        1,
    );
    let named: Vec<&str> = recipe
        .named_cameras()
        .into_iter()
        .map(CameraId::as_str)
        .collect();
    assert_eq!(named, ["left", "right"]);
}

#[test]
fn examples_are_valid_recipes() {
    let entries = Folder::new(examples()).list().expect("the folder");
    let recipes: Vec<Recipe> = entries
        .into_iter()
        .map(|entry| entry.recipe.expect("a recipe"))
        .collect();
    let ids: Vec<&str> = recipes.iter().map(|recipe| recipe.id.as_str()).collect();
    assert_eq!(ids, ["mx24-terminal", "mx24-two-cameras"]);
    for recipe in &recipes {
        inspectd_core::bundle::Bundle::open(&recipe.bundle).expect("the demo bundle");
    }
}

#[test]
fn documentation_has_every_key_and_the_drawn_polygons() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/recipes.md")).expect("the page");
    for (_, rest) in page
        .match_indices("```toml\n")
        .map(|(at, fence)| page.split_at(at + fence.len()))
    {
        let text = rest.split("```").next().expect("the block");
        parsed(text);
    }
    let keys = [
        contents::ROOT,
        contents::CAMERA,
        contents::CROP,
        polygons::REGION,
        polygons::MASK,
    ];
    for key in keys.concat() {
        assert!(page.contains(&format!("`{key}")), "{key} is not documented");
    }
    let picture = fs::read_to_string(root.join("docs/recipes.svg")).expect("the picture");
    let recipe = Folder::new(examples())
        .read(&id("mx24-terminal"))
        .expect("the example");
    let regions = recipe
        .regions
        .iter()
        .map(|region| (&region.name, &region.polygon));
    let masks = recipe.ignore.iter().map(|mask| (&mask.name, &mask.polygon));
    for (name, polygon) in regions.chain(masks) {
        let corner =
            |[x, y]: &[f64; 2]| format!("{},{}", (x * 1000.0).round(), (y * 1000.0).round());
        let points: Vec<String> = polygon.corners().iter().map(corner).collect();
        let drawn = picture.contains(&format!("points=\"{}\"", points.join(" ")));
        assert!(drawn, "{name} is not drawn at {}", points.join(" "));
    }
}

#[test]
fn folder_lists_recipes_and_invalid_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &[u8]| fs::write(dir.path().join(name), text).expect("written");
    write("b.toml", HEAD.as_bytes());
    write("a.toml", b"product = 1");
    write("Two Words.toml", HEAD.as_bytes());
    write("latin.toml", b"product = \"\xe4\"");
    write("large.toml", &vec![b'#'; (1 << 20) + 1]);
    write(".hidden.toml", HEAD.as_bytes());
    write("b.toml~", HEAD.as_bytes());
    fs::create_dir(dir.path().join("folder.toml")).expect("a folder");
    let entries = Folder::new(dir.path()).list().expect("a list");
    let found: Vec<String> = entries
        .iter()
        .map(|entry| match &entry.recipe {
            Ok(recipe) => recipe.id.to_string(),
            Err(error) => {
                let file = entry.file.display().to_string();
                error
                    .to_string()
                    .lines()
                    .next()
                    .expect("a line")
                    .replace(&file, "")
            }
        })
        .collect();
    let name = inspectd_core::id::RecipeIdError("Two Words".to_owned());
    assert_eq!(
        found,
        [
            &*format!(": {name}"),
            ":1: product: 1, must be a text of 1 to 128 letters, on one line",
            "b",
            ": cannot be read: not a regular file",
            ": larger than 1048576 bytes, the maximum of a recipe",
            ": cannot be read: not UTF-8 text",
        ]
    );
}

#[test]
fn recipe_is_read_by_its_id() {
    let folder = Folder::new(examples());
    assert_eq!(
        folder.read(&id("mx24-terminal")).expect("a recipe").version,
        "1.2.0"
    );
    assert!(matches!(
        folder.read(&id("none")),
        Err(RecipeError::Absent { .. })
    ));
    let absent = Folder::new("/nowhere/at/all").list();
    assert!(matches!(absent, Err(FolderError::Unreadable { .. })));
}

#[test]
fn folder_with_too_many_files_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    for number in 0..=MOST_RECIPES {
        fs::write(dir.path().join(format!("{number}.toml")), "").expect("written");
    }
    let refused = Folder::new(dir.path()).list();
    assert!(matches!(refused, Err(FolderError::TooMany { .. })));
}

#[test]
fn recipe_id_has_1_to_64_plain_characters() {
    let check = |text: &str, expected: bool| {
        assert_eq!(text.parse::<RecipeId>().is_ok(), expected, "{text}");
    };
    check("mx24-terminal_2", true);
    check(&"a".repeat(64), true);
    check(&"a".repeat(65), false);
    check("", false);
    check("A", false);
    check("../a", false);
}

/// Texts that resemble recipes.
fn resembling() -> impl Strategy<Value = String> {
    let words = [
        "product",
        "version",
        "bundle",
        "threshold",
        "review_from",
        "min_area",
        "regions",
        "ignore",
        "cameras",
        "polygon",
        "name",
        "crop",
        "left",
        "gain",
        " = ",
        "\n",
        "[[",
        "]]",
        "[",
        "]",
        ".",
        ",",
        "0.5",
        "1e400",
        "-1",
        "nan",
        "\"a\"",
        "[[0, 0], [1, 0], [0, 1]]",
        "{",
        "}",
        "true",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40)
        .prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_panic(text in any::<String>()) {
        let _ = parse(&id("plate"), Path::new(FILE), &text);
    }

    #[test]
    fn resembling_text_is_read_or_has_faults(rest in resembling()) {
        if let Err(error) = parse(&id("plate"), Path::new(FILE), &format!("{HEAD}{rest}")) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
