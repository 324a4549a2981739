//! `mhkd evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use inspectd::bundle::Bundle;
use inspectd::engine::{EngineOptions, Provider};

use crate::dataset::{self, Layout};
use crate::evaluate::evaluate;
use crate::log::progress::Progress;

/// Runs the bundle through ONNX Runtime, as the line does.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    /// The bundle's folder
    bundle: PathBuf,
    /// Folder of the dataset, or of one category of it
    #[arg(long)]
    dataset: PathBuf,
    /// Category, where the dataset has several
    #[arg(long)]
    category: Option<String>,
    /// The dataset's layout (found out where not given)
    #[arg(long)]
    layout: Option<Layout>,
    /// Write the result and every image's score there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Compute on the GPU with this number
    #[arg(long, value_name = "N")]
    cuda: Option<i32>,
}

impl Evaluate {
    pub(super) fn run(self) -> Result<ExitCode> {
        let bundle = Bundle::open(&self.bundle)?;
        let dataset = dataset::open(&self.dataset, self.category.as_deref(), self.layout, 0)?;
        let mut options = EngineOptions::default();
        if let Some(device_id) = self.cuda {
            options.provider = Provider::Cuda {
                device_id,
                tf32: false,
                memory_limit: None,
            };
        }
        let mut progress = Progress::new("scoring", dataset.test.len() as u64, 0);
        let evaluation = evaluate(&bundle, &dataset, &options, |done| progress.set(done, ""))?;
        progress.finish();
        println!("{}", evaluation.table());
        if let Some(path) = self.json {
            evaluation.save(&path)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
