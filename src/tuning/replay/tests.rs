use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::config::settings::Overrides;
use crate::recipe;
use inspectd_core::maps::MapSize;
use inspectd_core::record::{Fault, FaultReason, ModelId, PartView, RecipeTag, Stamp, Subject};
use inspectd_core::regions::RegionRules;

/// Not square, so that a mistake between columns and rows is found.
const SIZE: MapSize = MapSize {
    width: 8,
    height: 6,
};

const MODEL: &str = "ab";

const LISTING: RegionRules = RegionRules {
    min_area: 0.0,
    limit: 8,
};

fn camera(name: &str) -> CameraId {
    name.parse().expect("an id")
}

/// The general threshold is 0.5; scores from 0.4 are REVIEW.
fn configured() -> PlanBuilder {
    PlanBuilder {
        general: Overrides {
            threshold: None,
            review_from: Some(0.4),
        },
        cameras: BTreeMap::new(),
        bundle: 0.5,
        listing: LISTING,
    }
}

fn recipe(more: &str) -> Recipe {
    let text = format!("product = \"p\"\nversion = \"1\"\nbundle = \"b\"\n{more}");
    recipe::parse(&"r".parse().expect("an id"), Path::new("/r.toml"), &text).expect("a recipe")
}

fn replay(recipe: Recipe) -> Replay {
    Replay::new(recipe, MODEL.to_owned(), configured())
}

fn shape() -> FrameShape {
    FrameShape {
        map: SIZE,
        width: 32,
        height: 32,
    }
}

/// A map with the value `level` in one cell and `rest` in all others.
fn heat(cell: usize, level: f32, rest: f32) -> AnomalyMap {
    let mut cells = vec![rest; SIZE.cells()];
    cells[cell] = level;
    AnomalyMap { cells, size: SIZE }
}

/// The verdict about a map, by the configuration and a recipe.
fn verdict(sequence: u64, heat: &AnomalyMap, recipe: Option<&Recipe>) -> Verdict {
    let id = camera("top");
    let plan = configured().plan(Some(&id), recipe);
    let judgement = rejudge(&heat.cells, None, shape(), &Rules::new(plan, shape()));
    let stamp = Stamp {
        model: ModelId {
            name: "m".into(),
            version: "1".into(),
            sha256: MODEL.into(),
            precision: inspectd_core::precision::Precision::F32,
        },
        config_hash: String::new(),
        provider: "cpu".into(),
        recipe: recipe.map(|recipe| RecipeTag {
            id: recipe.id.to_string(),
            version: recipe.version.clone(),
            sha256: recipe.hash.clone(),
        }),
    };
    let mut subject = Subject::new(Some(id), Arc::new(stamp));
    subject.size = Some([32, 32]);
    Verdict {
        sequence,
        run: Uuid::nil(),
        captured: SystemTime::UNIX_EPOCH,
        since_start: Duration::ZERO,
        recorded: SystemTime::UNIX_EPOCH,
        evidence: true,
        unconfirmed: false,
        subject,
        outcome: Outcome::Judged(judgement.expect("numbers")),
    }
}

fn of(verdict: &Verdict, outcome: Outcome) -> Verdict {
    Verdict {
        outcome,
        ..verdict.clone()
    }
}

/// Reads the map of a verdict without one.
const NO_MAP: fn() -> io::Result<Option<AnomalyMap>> = || Ok(None);

#[test]
fn recipe_with_only_a_threshold_judges_by_the_score() {
    use Decision::{Pass, Reject, Review};
    let check = |more: &str, level, expected: Option<(Decision, Decision)>| {
        let mut replay = replay(recipe(more));
        let asked = || -> io::Result<Option<AnomalyMap>> { panic!("the map is not needed") };
        // A uniform map, whose value is the score.
        let change = replay.apply(&verdict(7, &heat(9, level, level), None), asked);
        let found = change.map(|change| (change.old, change.new));
        assert_eq!(found, expected, "{more} {level}");
        assert_eq!(replay.summary().by_score, 1);
    };
    check("", 0.6, None);
    check("threshold = 0.7", 0.6, Some((Reject, Review)));
    check(
        "threshold = 0.7\nreview_from = 0.65",
        0.6,
        Some((Reject, Pass)),
    );
    check(
        "threshold = 0.2\nreview_from = 0.1",
        0.3,
        Some((Pass, Reject)),
    );
    check(
        "[cameras.top]\nthreshold = 0.3\nreview_from = 0.3",
        0.35,
        Some((Pass, Reject)),
    );
    check(
        "[cameras.side]\nthreshold = 0.3\nreview_from = 0.3",
        0.35,
        None,
    );
}

#[test]
fn recipe_with_regions_or_masks_judges_by_the_map() {
    // The defect is in the upper left corner.
    let heat = heat(0, 0.6, 0.1);
    let old = verdict(7, &heat, None);
    let mask =
        "[[ignore]]\nname = \"corner\"\npolygon = [[0.0, 0.0], [0.4, 0.0], [0.4, 0.4], [0.0, 0.4]]";
    let mut masked = replay(recipe(mask));
    let change = masked
        .apply(&old, || Ok(Some(heat.clone())))
        .expect("a change");
    assert_eq!((change.old, change.new), (Decision::Reject, Decision::Pass));
    assert_eq!(masked.summary().by_map, 1);
    let scores = change.scores.expect("a frame's");
    assert!(scores.old > 0.5 && scores.new < 0.2, "{scores:?}");

    let region = mask.replace("ignore", "regions") + "\nthreshold = 0.05\nreview_from = 0.01";
    let mut regional = replay(recipe(&region));
    let faint = self::heat(0, 0.2, 0.0);
    let change = regional.apply(&verdict(8, &faint, None), || Ok(Some(faint.clone())));
    let change = change.expect("a change");
    assert_eq!((change.old, change.new), (Decision::Pass, Decision::Reject));
    assert_eq!(change.scores.expect("a frame's").region, "corner");
}

#[test]
fn verdicts_that_cannot_be_judged_are_counted_by_obstacle() {
    let heat = heat(9, 0.6, 0.1);
    let old = verdict(7, &heat, None);
    let with = |change: &dyn Fn(&mut Subject)| {
        let mut changed = old.clone();
        change(&mut changed.subject);
        changed
    };
    let mask = "[[ignore]]\nname = \"m\"\npolygon = [[0.0, 0.0], [0.4, 0.0], [0.4, 0.4]]";
    let check = |more: &str, verdict: &Verdict, map: io::Result<Option<AnomalyMap>>, expected| {
        let mut replay = replay(recipe(more));
        assert_eq!(replay.apply(verdict, || map), None);
        let skipped: Vec<_> = replay.summary().skipped.keys().copied().collect();
        assert_eq!(skipped, [expected]);
        assert_eq!(replay.summary().frames.cells().count(), 0);
    };
    check(mask, &old, Ok(None), Obstacle::NoMap);
    check(
        mask,
        &old,
        Err(io::Error::other("torn")),
        Obstacle::DamagedMap,
    );
    let empty = AnomalyMap {
        cells: Vec::new(),
        size: MapSize::square(0),
    };
    check(mask, &old, Ok(Some(empty)), Obstacle::DamagedMap);
    let non_finite = self::heat(0, f32::NAN, 0.0);
    check(mask, &old, Ok(Some(non_finite)), Obstacle::DamagedMap);
    let all =
        "[[ignore]]\nname = \"all\"\npolygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]";
    let whole = Ok(Some(heat.clone()));
    check(all, &old, whole, Obstacle::NothingInspected);
    let other = with(&|subject| {
        let mut stamp = (*subject.stamp).clone();
        stamp.model.sha256 = "cd".into();
        subject.stamp = Arc::new(stamp);
    });
    check("", &other, Ok(None), Obstacle::OtherModel);
    check(
        "",
        &with(&|subject| subject.camera = None),
        Ok(None),
        Obstacle::ClientImage,
    );
    let crop = "[cameras.top]\ncrop = { left = 0, top = 0, right = 16, bottom = 32 }";
    check(crop, &old, Ok(None), Obstacle::OtherView);
    let fault = of(&old, Outcome::Fault(Fault::new(FaultReason::Dark, "dark")));
    check("", &fault, Ok(None), Obstacle::Fault);
    // The recipe of the verdict had a mask.
    let masked = verdict(7, &heat, Some(&recipe(mask)));
    check("", &masked, Ok(None), Obstacle::NoMap);
}

#[test]
fn part_decision_follows_the_new_decisions_of_its_views() {
    let mut replay = replay(recipe("threshold = 0.7\nreview_from = 0.7"));
    let old = verdict(7, &heat(9, 0.6, 0.1), None);
    let view = |sequence, decision| PartView {
        camera: camera("top"),
        sequence,
        frame_id: 1,
        decision,
    };
    let part = |second, fault: Option<Fault>| {
        of(
            &old,
            Outcome::Part(PartDecision {
                decision: Decision::Reject,
                views: vec![view(7, Decision::Reject), view(8, second)],
                fault,
            }),
        )
    };
    let new =
        |replay: &mut Replay, part: &Verdict| replay.apply(part, NO_MAP).map(|change| change.new);
    replay.apply(&old, NO_MAP).expect("it passes now");
    assert_eq!(
        new(&mut replay, &part(Decision::Pass, None)),
        Some(Decision::Pass)
    );
    assert_eq!(
        new(&mut replay, &part(Decision::Review, None)),
        Some(Decision::Review)
    );
    assert_eq!(new(&mut replay, &part(Decision::Reject, None)), None);
    let missing = Fault::new(FaultReason::MissingView, "left");
    assert_eq!(
        new(&mut replay, &part(Decision::Pass, Some(missing))),
        Some(Decision::Fault)
    );
    let parts: u64 = replay.summary().parts.cells().map(|cell| cell.2).sum();
    assert_eq!(parts, 4);
}

#[test]
fn remembered_changes_are_limited() {
    let mut replay = replay(recipe("threshold = 0.7\nreview_from = 0.7"));
    let mut old = verdict(0, &heat(9, 0.6, 0.1), None);
    for sequence in 1..=CHANGES_KEPT as u64 + 10 {
        old.sequence = sequence;
        replay.apply(&old, NO_MAP);
    }
    assert_eq!(replay.changes.len(), CHANGES_KEPT);
    assert_eq!(
        replay.changes.first_key_value(),
        Some((&11, &Decision::Pass))
    );
}

fn text_of(threshold: f32, masked: bool) -> String {
    let mask = "[[ignore]]\nname = \"m\"\npolygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]]\n\
                [[regions]]\nname = \"r\"\npolygon = [[0.5, 0.5], [1.0, 0.5], [1.0, 1.0], [0.5, 1.0]]\n";
    let mask = if masked { mask } else { "" };
    format!("threshold = {threshold:?}\nreview_from = {threshold:?}\n{mask}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn replay_by_the_same_recipe_changes_nothing(
        cell in 0..SIZE.cells(),
        level in 0.0f32..1.0,
        threshold in 0.0f32..1.0,
        masked: bool,
    ) {
        let recipe = recipe(&text_of(threshold, masked));
        let heat = heat(cell, level, 0.1);
        let old = verdict(7, &heat, Some(&recipe));
        let mut replay = replay(recipe);
        prop_assert_eq!(replay.apply(&old, || Ok(Some(heat))), None);
        prop_assert_eq!(replay.summary().frames.cells().count(), 1);
    }

    #[test]
    fn higher_threshold_turns_only_rejects_into_passes(
        cell in 0..SIZE.cells(),
        level in 0.0f32..1.0,
        threshold in 0.0f32..1.0,
        higher in 0.0f32..1.0,
        masked: bool,
    ) {
        let before = recipe(&text_of(threshold, masked));
        let heat = heat(cell, level, 0.1);
        let old = verdict(7, &heat, Some(&before));
        let mut replay = replay(recipe(&text_of(threshold + higher, masked)));
        let change = replay.apply(&old, || Ok(Some(heat)));
        if let Some(change) = change {
            prop_assert_eq!((change.old, change.new), (Decision::Reject, Decision::Pass));
        }
    }

    #[test]
    fn judging_by_score_and_by_map_agree(
        cell in 0..SIZE.cells(),
        level in 0.0f32..1.0,
        threshold in 0.0f32..1.0,
    ) {
        let heat = heat(cell, level, 0.1);
        let by_score = verdict(7, &heat, None);
        // With another recipe without regions the map is needed.
        let by_map = verdict(7, &heat, Some(&recipe("min_area = 0.0\nthreshold = 0.5")));
        let recipe = recipe(&text_of(threshold, false));
        let mut one = replay(recipe.clone());
        let mut other = replay(recipe);
        let first = one.apply(&by_score, NO_MAP).map(|change| change.new);
        let second = other.apply(&by_map, || Ok(Some(heat))).map(|change| change.new);
        prop_assert_eq!((one.summary().by_score, other.summary().by_map), (1, 1));
        prop_assert_eq!(first, second);
    }
}
