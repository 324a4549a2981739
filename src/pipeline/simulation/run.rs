//! One run of the simulated daemon: from a start to a stop or a kill.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, OnceLock};

use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::id::CameraId;
use inspectd_core::manifest::Manifest;
use parking_lot::Mutex;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Knowledge, Published, Recorder};
use crate::alarm::Alarms;
use crate::camera::{CameraEvent, CameraState, Sink};
use crate::clock::SharedClock;
use crate::clock::tests::ManualClock;
use crate::config;
use crate::config::settings::Settings;
use crate::pipeline::Observer;
use crate::pipeline::active::Active;
use crate::pipeline::answers::Shared;
use crate::pipeline::handle::{Assembly, assemble, on_published};
use crate::pipeline::model::Model;
use crate::pipeline::notice::{NOTICE_QUEUE, Notice};
use crate::pipeline::publisher::{Committer, Publisher, PublisherOptions};
use crate::pipeline::timekeeper::Timekeeper;
use crate::recipe;

/// A running pipeline.
pub(super) struct Run {
    pub(super) id: Uuid,
    pub(super) shared: Arc<Shared>,
    pub(super) timekeeper: Timekeeper,
    pub(super) notices: Receiver<Notice>,
    pub(super) committer: Committer,
    pub(super) frames: BTreeMap<CameraId, u64>,
    /// Frames of each camera since it was added.
    pub(super) delivered: BTreeMap<CameraId, u64>,
    pub(super) knowledge: Knowledge,
}

/// A model that is loaded once for all schedules.
pub(super) fn model() -> Arc<Model> {
    static MODEL: OnceLock<(TempDir, Arc<Model>)> = OnceLock::new();
    let (_, model) = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let graph = include_bytes!("../../../tests/daemon/testdata/cells.onnx");
        let text = include_str!("../../../tests/daemon/testdata/manifest.toml")
            .replace("SHA256", &sha256(graph))
            .replace("THRESHOLD", "0.6");
        let manifest = Manifest::parse(Path::new("manifest.toml"), &text).expect("a manifest");
        let bundle = folder.path().join("bundle");
        Bundle::write(&bundle, manifest, vec![graph.to_vec()]).expect("written");
        let bundle = Bundle::open(&bundle).expect("a bundle");
        let settings = settings(folder.path(), false);
        let model = Model::load(&bundle, &settings.engine).expect("a model");
        (folder, Arc::new(model))
    });
    Arc::clone(model)
}

/// The settings of a line whose journal is in `folder`.
pub(super) fn settings(folder: &Path, has_top: bool) -> Settings {
    // They are parsed once for all schedules.
    static PARSED: OnceLock<[Settings; 2]> = OnceLock::new();
    let parsed = PARSED.get_or_init(|| [false, true].map(parse));
    let mut settings = parsed[usize::from(has_top)].clone();
    settings.journal.folder = Some(folder.join("journal"));
    settings
}

/// The cameras `left`, `right` and, with `has_top`, `top` count the parts of a group.
fn parse(has_top: bool) -> Settings {
    let camera = |id: &str, rest: &str| {
        format!(
            "[cameras.{id}]\nsource = \"url\"\nurl = \"http://127.0.0.1:9/{id}\"\ncheck.frozen_after = 0\n{rest}\n"
        )
    };
    let counted = "mode = \"triggered\"\nqueue = 2\ngroup = \"cell\"\npart_counter = true\n";
    let text = format!(
        "[model]\nbundle = \"bundle\"\n[engine]\nthreads = 1\nbatch_limit = 2\nbatch_window_ms = 0\n\
         [journal]\nfolder = \"journal\"\nstall_timeout_s = 1\ncommit_window_ms = 0\n[evidence]\ndisk_mib = 0\n\
         memory_mib = 0\n[parts]\nwindow_ms = 400\ncapture_spread_ms = 20\n{}{}{}{}{}",
        camera("left", counted),
        camera("right", counted),
        if has_top {
            camera("top", counted)
        } else {
            String::new()
        },
        camera(
            "asked",
            "mode = \"requested\"\nqueue = 2\nlatency_ms = 30\ndeadline_ms = 300"
        ),
        camera("free", "deadline_ms = 500"),
    );
    let loaded = config::parse(Path::new("inspectd.toml"), &text, &[]);
    loaded.expect("valid settings").settings
}

impl Run {
    pub(super) fn start(
        number: u128,
        clock: &Arc<ManualClock>,
        settings: &Settings,
        model: &Arc<Model>,
        recipe: Option<Arc<recipe::Recipe>>,
        published: &Arc<Mutex<Published>>,
    ) -> Self {
        let clock: SharedClock = Arc::clone(clock) as SharedClock;
        let start = clock.now();
        let id = Uuid::from_u128(number);
        let alarms = Alarms::new(clock.clone());
        let observer: Arc<dyn Observer> = Arc::new(Recorder(Arc::clone(published)));
        let (notices, received) = sync_channel(NOTICE_QUEUE);
        let failed: Arc<dyn Fn() + Send + Sync> = Arc::new(|| ());
        let (publisher, committer) = Publisher::assemble(
            PublisherOptions {
                start,
                run: id,
                settings,
                on_published: on_published(Arc::clone(&observer), notices.clone()),
                clock: clock.clone(),
                alarms: alarms.clone(),
                failed: Arc::clone(&failed),
            },
            None,
        );
        let mut committer = committer.expect("a journal");
        committer.step();
        let active = Active::new(
            settings.clone(),
            "hash".to_owned(),
            1,
            Arc::clone(model),
            recipe,
            start.utc,
        );
        let (shared, parts) = assemble(Assembly {
            start,
            active,
            publisher,
            notices,
            observer,
            clock,
            alarms,
            failed,
        });
        for camera in settings.cameras.keys() {
            shared.event(camera, CameraEvent::State(CameraState::Running));
        }
        Self {
            id,
            shared,
            timekeeper: Timekeeper::new(parts),
            notices: received,
            committer,
            frames: BTreeMap::new(),
            delivered: BTreeMap::new(),
            knowledge: Knowledge::default(),
        }
    }

    /// Gives up the journal's lock, as a killed process does.
    pub(super) fn stop(&mut self) {
        self.committer.close();
    }
}
