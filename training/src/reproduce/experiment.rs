//! Experiments of a table or figure: each is a training with its evaluation.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::ValueEnum;

use crate::dataset;
use crate::fit_photos::FitMethod;
use crate::network::architecture::Method;
use crate::network::student::LossWeights;
use crate::train::settings::Settings;

/// A table or figure of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// AU-sPRO on MVTec LOCO AD by category
    Table1,
    /// Image and pixel AUROC on VisA or MVTec AD by category
    Table2,
    /// AUC, F1, ACC, SEN and SPE on Retinal OCT
    Table3,
    /// The ablations on MVTec LOCO AD
    Table4,
    /// Parameters, FLOPs, latency and throughput
    Table5,
    /// Loss weights on MVTec LOCO AD
    Fig7,
}

/// Loss weights compared in Fig. 7: alpha, beta, gamma. The paper's text gives only the chosen one.
pub(super) const LOSS_WEIGHTS: [[f64; 3]; 6] = [
    [1.0, 1.0, 0.5],
    [1.0, 1.0, 1.0],
    [1.0, 1.0, 2.0],
    [1.0, 1.0, 4.0],
    [2.0, 1.0, 2.0],
    [1.0, 2.0, 2.0],
];

/// Difference between an experiment's settings and the shared settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Variant {
    /// MHKD as in the paper.
    Full,
    /// Without `SEncoder2`.
    NoEncoder2,
    /// Without self-distillation.
    NoSelfDistillation,
    /// Without `SEncoder2` and without self-distillation.
    Neither,
    /// `EfficientAD`, the baseline.
    EfficientAd,
    /// S-T (Uninformed Students).
    UninformedStudents,
    /// A method without training, by `mhkd fit`.
    Fit(FitMethod),
    /// With the given alpha, beta and gamma.
    Weights([f64; 3]),
}

impl Variant {
    /// Name in tables and in the folder of an experiment.
    pub fn name(self) -> String {
        match self {
            Self::Full => "full".into(),
            Self::NoEncoder2 => "no-encoder2".into(),
            Self::NoSelfDistillation => "no-self-distillation".into(),
            Self::Neither => "neither".into(),
            Self::EfficientAd => "efficientad".into(),
            Self::UninformedStudents => "st".into(),
            Self::Fit(method) => method.to_string(),
            Self::Weights([alpha, beta, gamma]) => format!("weights-{alpha}-{beta}-{gamma}"),
        }
    }

    fn apply(self, settings: &mut Settings) {
        match self {
            Self::Full | Self::Fit(_) => {}
            Self::NoEncoder2 => settings.second_encoder = false,
            Self::NoSelfDistillation => settings.self_distillation = false,
            Self::Neither => {
                settings.second_encoder = false;
                settings.self_distillation = false;
            }
            Self::EfficientAd => settings.method = Method::EfficientAd,
            Self::UninformedStudents => settings.method = Method::UninformedStudents,
            Self::Weights([alpha, beta, gamma]) => {
                settings.alpha = alpha;
                settings.beta = beta;
                settings.gamma = gamma;
            }
        }
    }
}

impl Target {
    /// Variants that the target compares.
    pub fn variants(self) -> Vec<Variant> {
        match self {
            Self::Table1 | Self::Table2 | Self::Table5 => vec![
                Variant::Full,
                Variant::EfficientAd,
                Variant::UninformedStudents,
                Variant::Fit(FitMethod::PADIM),
                Variant::Fit(FitMethod::PATCH_CORE),
                Variant::Fit(FitMethod::FEATURES),
            ],
            Self::Table3 => vec![Variant::EfficientAd, Variant::Full],
            Self::Table4 => vec![
                Variant::Neither,
                Variant::NoEncoder2,
                Variant::NoSelfDistillation,
                Variant::Full,
            ],
            Self::Fig7 => LOSS_WEIGHTS.map(weights_variant).into(),
        }
    }
}

/// Returns the variant with the given loss weights. The paper's choice is [`Variant::Full`], so that its
/// experiments are shared with other tables.
pub(super) fn weights_variant(weights: [f64; 3]) -> Variant {
    let [alpha, beta, gamma] = weights;
    let loss_weights = LossWeights { alpha, beta, gamma };
    if loss_weights == LossWeights::default() {
        Variant::Full
    } else {
        Variant::Weights(weights)
    }
}

/// One training with its evaluation.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Category of the dataset.
    pub category: String,
    /// Trained variant.
    pub variant: Variant,
    /// Seed.
    pub seed: u64,
    /// Settings of the training.
    pub settings: Settings,
    /// Folder of the experiment.
    pub folder: PathBuf,
}

impl Experiment {
    /// Name for messages.
    pub fn name(&self) -> String {
        format!(
            "{} {} seed {}",
            self.category,
            self.variant.name(),
            self.seed
        )
    }

    /// Folder of the training.
    pub fn run(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// Folder of the bundle of a method without training, and of a timed one.
    pub fn bundle(&self) -> PathBuf {
        self.folder.join("bundle")
    }

    /// File with the result of the evaluation. The experiment is finished when it exists.
    pub fn result(&self) -> PathBuf {
        self.folder.join("metrics.json")
    }
}

/// Returns all experiments of `target` in `out`, ordered by seed first, so that one result of every variant
/// is available early. Targets in the same folder share their common experiments.
///
/// # Errors
/// Returns an error if the dataset does not have the requested categories, or if `shared` contains settings
/// that differ between experiments.
pub fn experiments(
    target: Target,
    out: &Path,
    shared: &Settings,
    categories: &[String],
    seeds: &[u64],
) -> Result<Vec<Experiment>> {
    ensure!(!seeds.is_empty(), "seeds: at least one is required");
    if *shared != without_experiment_settings(shared) {
        bail!(
            "method, second_encoder, self_distillation, seed and category differ between experiments: they are \
             set by the table, --seeds and --categories"
        );
    }
    let available = dataset::categories(&shared.dataset)?;
    for category in categories {
        ensure!(
            available.contains(category),
            "{}: category {category:?} not found (available: {})",
            shared.dataset.display(),
            available.join(", ")
        );
    }
    let categories = if categories.is_empty() {
        &available
    } else {
        categories
    };
    let mut experiments = Vec::new();
    for &seed in seeds {
        for category in categories {
            for variant in target.variants() {
                let mut settings = shared.clone();
                settings.category = Some(category.clone());
                settings.seed = seed;
                variant.apply(&mut settings);
                settings.validate()?;
                let name = format!("{category}-{}-seed{seed}", variant.name());
                experiments.push(Experiment {
                    category: category.clone(),
                    variant,
                    seed,
                    settings,
                    folder: out.join("cells").join(name),
                });
            }
        }
    }
    Ok(experiments)
}

/// Returns `settings` with defaults for the settings that differ between experiments.
fn without_experiment_settings(settings: &Settings) -> Settings {
    let default = Settings::default();
    Settings {
        method: default.method,
        second_encoder: default.second_encoder,
        self_distillation: default.self_distillation,
        seed: default.seed,
        category: default.category,
        ..settings.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(folder: &Path) -> Settings {
        for category in ["b", "a"] {
            let good = folder.join(category).join("train/good");
            std::fs::create_dir_all(good).expect("a folder");
        }
        Settings {
            dataset: folder.to_owned(),
            teacher: Some("teacher.safetensors".into()),
            ..Settings::default()
        }
    }

    #[test]
    fn every_category_variant_and_seed_is_one_experiment() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let shared = shared(folder.path());
        let plan = |target, categories: &[String]| {
            experiments(target, Path::new("out"), &shared, categories, &[1, 2])
                .expect("the experiments")
        };
        let all = plan(Target::Table4, &[]);
        assert_eq!(all.len(), 2 * 2 * 4);
        let first = &all[0];
        assert_eq!((first.category.as_str(), first.seed), ("a", 1));
        assert!(!first.settings.second_encoder && !first.settings.self_distillation);
        assert_eq!(first.run(), Path::new("out/cells/a-neither-seed1/run"));
        let mut names: Vec<String> = all.iter().map(Experiment::name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
        assert_eq!(plan(Target::Table1, &["b".into()]).len(), 2 * 6);
        let sweep = plan(Target::Fig7, &["b".into()]);
        let own = sweep
            .iter()
            .filter(|experiment| experiment.variant == Variant::Full);
        assert_eq!(
            own.count(),
            2,
            "the paper's loss weights are the full model"
        );
    }

    #[test]
    fn settings_that_differ_between_experiments_are_rejected() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let check = |change: fn(&mut Settings), categories: &[String], seeds: &[u64], expected| {
            let mut shared = shared(folder.path());
            change(&mut shared);
            let plan = experiments(Target::Table1, Path::new("out"), &shared, categories, seeds);
            let error = plan.expect_err("rejected").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(|settings| settings.seed = 7, &[], &[1], "set by the table");
        check(
            |settings| settings.second_encoder = false,
            &[],
            &[1],
            "set by the table",
        );
        check(
            |_| {},
            &["c".into()],
            &[1],
            "category \"c\" not found (available: a, b)",
        );
        check(|_| {}, &[], &[], "at least one is required");
    }
}
