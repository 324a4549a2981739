//! `mhkd export`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use inspectd_core::bundle::{Bundle, MANIFEST_FILE};
use inspectd_core::model_repository;

use super::precision::{GraphPrecision, agreement, graphs, precisions};
use crate::export::{Label, export};
use crate::log::progress::Progress;
use crate::train::run::Run;

/// Writes the bundle of a finished run: manifest.toml, model.onnx, and model.int8.onnx for a second graph in 8 bits. With
/// --triton also, or of an existing bundle only, the folders of NVIDIA Triton.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Folder of the run; with --triton and without --out, of a bundle
    run: PathBuf,
    /// Folder of the bundle; an existing bundle is replaced
    #[arg(long, required_unless_present = "triton")]
    out: Option<PathBuf>,
    /// Model repository of NVIDIA Triton, to which each graph is written with its configuration; a folder that exists is not
    /// replaced
    #[arg(long, value_name = "DIR")]
    triton: Option<PathBuf>,
    /// Where the dataset of the run is now, if it was moved; its images must be the same
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// Name of the bundle [default: the category of the dataset]
    #[arg(long)]
    name: Option<String>,
    /// Version of the bundle
    #[arg(long, default_value = "1.0.0")]
    model_version: String,
    /// Precisions of the graphs in the bundle, one or several with a comma between them; the daemon selects one
    #[arg(long, value_enum, value_delimiter = ',', default_value = "f32")]
    precision: Vec<GraphPrecision>,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        let bundle = if let Some(out) = &self.out {
            self.write_bundle(out)?
        } else {
            ensure!(
                self.run.join(MANIFEST_FILE).is_file(),
                "{}: not a bundle (it has no {MANIFEST_FILE}); of a run, --out names the bundle that is written first",
                self.run.display()
            );
            Bundle::open(&self.run)?
        };
        if let Some(repository) = &self.triton {
            for folder in model_repository::write(repository, &bundle)? {
                println!("{}", folder.display());
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the bundle of the run, and describes it.
    fn write_bundle(&self, out: &Path) -> Result<Bundle> {
        let mut moved = toml::Table::new();
        if let Some(dataset) = &self.dataset {
            moved.insert("dataset".into(), dataset.display().to_string().into());
        }
        let run = Run::open(&self.run, &moved)?;
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let label = Label {
            name: self
                .name
                .clone()
                .unwrap_or_else(|| run.origin.category.clone()),
            version: self.model_version.clone(),
            created: now.parse().context("chrono writes RFC 3339")?,
        };
        let total = crate::export::parity::IMAGES as u64;
        let mut bar = Some(Progress::new("comparing with libtorch", total, 0));
        let precisions = precisions(&self.precision);
        let bundle = export(&run, label, &precisions, out, |done, total| {
            if let Some(progress) = &mut bar {
                progress.set(done, "");
            }
            // It ends here, because with int8 other progress bars follow.
            if done == total
                && let Some(progress) = bar.take()
            {
                progress.finish();
            }
        })?;
        println!("{}", summary(&bundle));
        if let Some(agreement) = agreement(bundle.manifest()) {
            println!("{agreement}");
        }
        Ok(bundle)
    }
}

/// Describes a written bundle, one line.
fn summary(bundle: &Bundle) -> String {
    let contents = bundle.manifest();
    let parity = &contents.parity;
    format!(
        "{}: {}; ONNX Runtime {} agrees with libtorch in f32: largest difference {:.1e} of the largest value over {} images; suggested threshold {:.4} ({})",
        bundle.dir().display(),
        graphs(bundle),
        parity.onnxruntime_version,
        parity.largest_relative,
        parity.images,
        contents.threshold.value,
        contents.threshold.method,
    )
}
