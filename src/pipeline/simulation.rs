//! Random schedules of the whole pipeline on a simulated clock, in one thread. Everything is the real code, with a real
//! ONNX Runtime session and a real SQLite file: intake, requests, groups, deadlines, inspector, judge, journal. Only threads,
//! clock, cameras and clients are simulated. After each step the invariants of ARCHITECTURE.md are checked against what the
//! simulated line knows: which part is before which camera, and what each client received.
//!
//! `INSPECTD_SIMULATE_SEEDS` sets the number of schedules, `INSPECTD_SIMULATE_FIRST` the first of them, and
//! `INSPECTD_SIMULATE_SEED` runs a single one.

mod checks;
mod losses;
mod parts;
mod run;
mod schedules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inspectd_core::id::CameraId;
use inspectd_core::record::{Timings, Verdict};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use uuid::Uuid;

use run::{Run, model, settings};

use super::active::{Active, PreparedRecipe};
use super::model::Model;
use super::publisher::PublishTimes;
use super::requests::{RequestedRecipe, Target, Trigger};
use super::{Observer, ServerUse, inspector, judge};
use crate::camera::{CameraEvent, CameraState, Sink};
use crate::clock::Clock;
use crate::clock::tests::ManualClock;
use crate::config::settings::Settings;
use crate::recipe;
use crate::telemetry::traces::RemoteContext;

/// Steps of a schedule.
const STEPS: usize = 120;

/// Latency of the requested camera, as configured.
const LATENCY: Duration = Duration::from_millis(30);

/// Grey levels of parts, and whether they are PASS without a recipe, with `lenient` and with `strict`.
const LEVELS: [(u8, [bool; 3]); 3] = [
    (60, [true, true, true]),
    (140, [true, true, false]),
    (220, [false, true, false]),
];

/// The cameras without a group.
const OTHERS: [&str; 2] = ["asked", "free"];

const RECIPES: [(&str, f32); 2] = [("lenient", 0.9), ("strict", 0.3)];

/// What a frame shows, and by what it must be judged.
#[derive(Clone, Debug)]
struct Scene {
    item: String,
    level: u8,
    /// Id of the recipe that was active at its capture.
    recipe: Option<String>,
    /// Cameras of the group at its capture.
    group: usize,
}

/// A request that was accepted.
#[derive(Clone, Debug)]
struct Asked {
    at: SystemTime,
    recipe: Option<String>,
}

/// What the line and its clients know of one run.
#[derive(Default)]
struct Knowledge {
    scenes: BTreeMap<(CameraId, u64), Scene>,
    asked: BTreeMap<Uuid, Asked>,
    /// Verdicts by camera and frame.
    views: BTreeMap<(CameraId, u64), Arc<Verdict>>,
    /// Number of them by camera.
    decided: BTreeMap<CameraId, u64>,
}

/// Everything that was published, over all runs.
#[derive(Default)]
struct Published {
    verdicts: Vec<Arc<Verdict>>,
    /// Verdicts that the checks have not seen.
    new: Vec<Arc<Verdict>>,
    /// What clients received with a sequence.
    durable: BTreeMap<u64, Arc<Verdict>>,
}

struct Recorder(Arc<Mutex<Published>>);

impl Observer for Recorder {
    fn requested(&self, _: Uuid, _: Duration, _: Option<&RemoteContext>) {}

    fn published(&self, verdict: &Arc<Verdict>, _: PublishTimes) {
        let mut published = self.0.lock();
        published.verdicts.push(Arc::clone(verdict));
        published.new.push(Arc::clone(verdict));
    }

    fn inferred(&self, _: &Timings, _: u32) {}

    fn server_used(&self, _: ServerUse, _: Duration) {}

    fn replaced(&self, _: &Active) {}
}

struct World {
    random: StdRng,
    clock: Arc<ManualClock>,
    folder: TempDir,
    /// Without and with a third camera in the group.
    settings: [Settings; 2],
    has_top: bool,
    model: Arc<Model>,
    recipes: Vec<PreparedRecipe>,
    active: Option<usize>,
    published: Arc<Mutex<Published>>,
    run: Run,
    runs: u128,
    parts: u64,
    keys: Vec<Trigger>,
    seen: Seen,
}

/// How often the schedules came to what the checks are about.
type Seen = BTreeMap<&'static str, u64>;

/// All of it: a simulation that never comes to one of these shows nothing about it.
const WANTED: [&str; 14] = [
    "a part of two views is PASS",
    "a part of three views is PASS",
    "a camera joins or leaves the group",
    "a part is FAULT because its group is out of step",
    "a part is FAULT because parts are too close",
    "a frame is judged by the recipe of its request",
    "a frame is judged by the active recipe",
    "a deadline is missed",
    "a frame is skipped",
    "a queue is full",
    "a verdict is not journalled",
    "a repeated request is answered from the journal",
    "a verdict is unconfirmed after a kill",
    "a kill",
];

fn id(name: &str) -> CameraId {
    name.parse().expect("an id")
}

impl World {
    fn new(seed: u64) -> Self {
        // In memory where that is possible: a flush then takes no time.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.expect("a folder");
        let settings = [false, true].map(|has_top| settings(folder.path(), has_top));
        let model = model();
        let prepared = |(name, threshold): &(&str, f32)| {
            let text = format!(
                "product = \"P\"\nversion = \"1\"\nbundle = \"bundle\"\nthreshold = {threshold}\n"
            );
            let id = name.parse().expect("an id");
            let recipe = recipe::parse(&id, Path::new("recipe.toml"), &text).expect("a recipe");
            PreparedRecipe {
                recipe: Arc::new(recipe),
                model: Arc::clone(&model),
            }
        };
        let clock = ManualClock::new();
        let published = Arc::<Mutex<Published>>::default();
        let recipes: Vec<_> = RECIPES.iter().map(prepared).collect();
        let run = Run::start(1, &clock, &settings[0], &model, None, &published);
        Self {
            random: StdRng::seed_from_u64(seed),
            clock,
            folder,
            settings,
            has_top: false,
            model,
            recipes,
            active: None,
            published,
            run,
            runs: 1,
            parts: 0,
            keys: Vec::new(),
            seen: Seen::new(),
        }
    }

    fn saw(&mut self, what: &'static str) {
        debug_assert!(WANTED.contains(&what), "{what}");
        *self.seen.entry(what).or_default() += 1;
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.random.random_range(0..1000) < per_mille
    }

    fn advance(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    fn level(&mut self) -> u8 {
        LEVELS.choose(&mut self.random).expect("some").0
    }

    fn settings(&self) -> &Settings {
        &self.settings[usize::from(self.has_top)]
    }

    fn active_id(&self) -> Option<String> {
        self.active.map(|index| RECIPES[index].0.to_owned())
    }

    fn trigger(&mut self) {
        let repeated = self.chance(200);
        let request = match self.keys.choose(&mut self.random) {
            Some(known) if repeated => known.clone(),
            _ => {
                let recipe = self.random.random_range(0..3_usize).checked_sub(1);
                let number = self.random.random_range(0..u32::MAX);
                Trigger {
                    target: Target::Camera(id("asked")),
                    recipe: recipe.map(|index| RequestedRecipe {
                        id: self.recipes[index].recipe.id.clone(),
                        sha256: None,
                    }),
                    part_id: number.to_string(),
                    client_data: Vec::new(),
                    idempotency_key: format!("key {number}"),
                }
            }
        };
        let named = request.recipe.as_ref().map(|recipe| recipe.id.to_string());
        let prepared = named.as_ref().and_then(|name| {
            self.recipes
                .iter()
                .find(|prepared| prepared.recipe.id.as_str() == name)
        });
        let shared = &self.run.shared;
        let accepted = match shared.known(&request) {
            Ok(Some(known)) => Ok(known),
            Ok(None) => shared.trigger(&request, prepared, None),
            Err(error) => Err(error),
        };
        if let Ok(accepted) = accepted {
            if !accepted.repeated {
                let asked = Asked {
                    at: self.clock.now().utc,
                    recipe: named,
                };
                self.run.knowledge.asked.insert(accepted.trigger, asked);
                self.keys.push(request);
            } else if let Some(verdict) = accepted.now() {
                // It is the verdict that was published, of this run or of an earlier one.
                let published = self.published.lock();
                let known = published.verdicts.iter().any(|other| {
                    other.outcome == verdict.outcome && other.subject.tag == verdict.subject.tag
                });
                assert!(known || verdict.unconfirmed, "{verdict:?}");
                let earlier = verdict.run != self.run.id;
                drop(published);
                if earlier {
                    self.saw("a repeated request is answered from the journal");
                }
            }
        }
    }

    fn activate(&mut self) {
        self.active = self.random.random_range(0..3_usize).checked_sub(1);
        self.store_active();
    }

    fn store_active(&self) {
        let recipe = self
            .active
            .map(|index| Arc::clone(&self.recipes[index].recipe));
        let active = Active::new(
            self.settings().clone(),
            "hash".to_owned(),
            1,
            Arc::clone(&self.model),
            recipe,
            self.clock.now().utc,
        );
        self.run.shared.active.store(Arc::new(active));
    }

    /// A third camera joins the group, or leaves it.
    fn change_group(&mut self) {
        let top = BTreeSet::from([id("top")]);
        self.saw("a camera joins or leaves the group");
        if self.has_top {
            self.run.shared.remove_cameras(&top);
        }
        self.has_top = !self.has_top;
        self.store_active();
        if self.has_top {
            self.run.delivered.remove(&id("top"));
            self.run.shared.add_cameras(&top);
            let running = CameraEvent::State(CameraState::Running);
            self.run.shared.event(&id("top"), running);
        }
    }

    fn inspect(&mut self) {
        let shared = &self.run.shared;
        let waiting = (0..=shared.lanes.all().len()).any(|queue| shared.intake.queued(queue) > 0);
        if waiting && let Some(jobs) = shared.take() {
            inspector::inspect_jobs(shared, None, jobs, &mut |inspected| {
                judge::judge_batch(shared, inspected);
            });
        }
    }

    fn keep_time(&mut self) {
        let run = &mut self.run;
        for notice in run.notices.try_iter().collect::<Vec<_>>() {
            run.timekeeper.take(&run.shared, notice);
        }
        run.timekeeper.act(&run.shared);
    }

    fn camera_event(&mut self) {
        let camera = id(["left", "right", "asked", "free"]
            .choose(&mut self.random)
            .expect("some"));
        for state in [CameraState::Waiting, CameraState::Running] {
            self.run.shared.event(&camera, CameraEvent::State(state));
        }
    }

    fn break_journal(&mut self) {
        let inject = &mut self.run.committer.inject;
        match self.random.random_range(0..3) {
            0 => inject.fail_before = true,
            1 => inject.fail_after = true,
            _ => {
                let (clock, shared) = (Arc::clone(&self.clock), Arc::downgrade(&self.run.shared));
                inject.during = Some(Box::new(move || {
                    clock.advance(Duration::from_millis(1500));
                    if let Some(shared) = shared.upgrade() {
                        shared.publisher.check_stalled(clock.now().monotonic);
                    }
                }));
            }
        }
    }

    /// The process is killed at this moment, and started again.
    fn kill(&mut self) {
        self.check();
        self.saw("a kill");
        self.runs += 1;
        let active = self
            .active
            .map(|index| Arc::clone(&self.recipes[index].recipe));
        self.run.stop();
        self.run = Run::start(
            self.runs,
            &self.clock,
            &self.settings[usize::from(self.has_top)],
            &self.model,
            active,
            &self.published,
        );
        self.check_kept();
    }

    fn step(&mut self) {
        let step = self.random.random_range(0..100);
        match step {
            0..=20 => self.belt(),
            21 => self.close_parts(),
            22..=31 => {
                let level = self.level();
                let age = LATENCY;
                self.deliver("asked", "scene".to_owned(), level, age);
            }
            32..=39 => {
                let level = self.level();
                self.deliver("free", "scene".to_owned(), level, Duration::ZERO);
            }
            40..=47 => self.trigger(),
            48..=50 => self.activate(),
            51..=66 => self.inspect(),
            67..=76 => self.keep_time(),
            77..=88 => self.run.committer.step(),
            89..=91 => {
                let ms = self.random.random_range(0..700);
                self.advance(ms);
            }
            92..=93 => self.camera_event(),
            94..=95 => {
                // No part is between the cameras now.
                let cell = self.run.shared.counted.get("cell");
                let _ = cell.expect("a counted group").resynchronize();
            }
            96 => self.change_group(),
            97..=98 => self.break_journal(),
            _ => self.kill(),
        }
    }

    /// Lets everything that waits come to its end.
    fn drain(&mut self) {
        for _ in 0..12 {
            for _ in 0..4 {
                self.inspect();
            }
            self.keep_time();
            self.run.committer.step();
            self.advance(300);
        }
    }
}

fn simulate(seed: u64) -> Seen {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
        world.check();
    }
    world.drain();
    world.check();
    world.check_counts();
    world.kill();
    drop(world.folder);
    world.seen
}
