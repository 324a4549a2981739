//! What a table or figure is made of: experiments, each a training with its evaluation.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::ValueEnum;

use crate::dataset;
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
    /// The proportions of the losses on MVTec LOCO AD
    Fig7,
}

/// The proportions of Fig. 7's sweep: alpha, beta, gamma. The paper's text names none but its choice.
pub(super) const PROPORTIONS: [[f64; 3]; 6] = [
    [1.0, 1.0, 0.5],
    [1.0, 1.0, 1.0],
    [1.0, 1.0, 2.0],
    [1.0, 1.0, 4.0],
    [2.0, 1.0, 2.0],
    [1.0, 2.0, 2.0],
];

/// What a experiment's training differs in from the settings that all experiments share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Variant {
    /// MHKD as the paper has it.
    Full,
    /// Without `SEncoder2`.
    NoEncoder2,
    /// Without the self-distillation.
    NoSelfDistillation,
    /// Without both.
    Neither,
    /// The rival.
    EfficientAd,
    /// With these alpha, beta and gamma.
    Weights([f64; 3]),
}

impl Variant {
    /// Its name in tables and in a experiment's folder.
    pub fn name(self) -> String {
        match self {
            Self::Full => "full".into(),
            Self::NoEncoder2 => "no-encoder2".into(),
            Self::NoSelfDistillation => "no-self-distillation".into(),
            Self::Neither => "neither".into(),
            Self::EfficientAd => "efficientad".into(),
            Self::Weights([alpha, beta, gamma]) => format!("weights-{alpha}-{beta}-{gamma}"),
        }
    }

    fn apply(self, settings: &mut Settings) {
        match self {
            Self::Full => {}
            Self::NoEncoder2 => settings.second_encoder = false,
            Self::NoSelfDistillation => settings.self_distillation = false,
            Self::Neither => {
                settings.second_encoder = false;
                settings.self_distillation = false;
            }
            Self::EfficientAd => settings.method = Method::EfficientAd,
            Self::Weights([alpha, beta, gamma]) => {
                settings.alpha = alpha;
                settings.beta = beta;
                settings.gamma = gamma;
            }
        }
    }
}

impl Target {
    /// The variants that it compares.
    pub fn variants(self) -> Vec<Variant> {
        match self {
            Self::Table1 | Self::Table2 | Self::Table3 | Self::Table5 => {
                vec![Variant::EfficientAd, Variant::Full]
            }
            Self::Table4 => vec![
                Variant::Neither,
                Variant::NoEncoder2,
                Variant::NoSelfDistillation,
                Variant::Full,
            ],
            Self::Fig7 => PROPORTIONS.map(weights).into(),
        }
    }
}

/// The variant of these proportions; the paper's own choice is the full model, whose experiments other tables
/// share.
pub(super) fn weights(proportions: [f64; 3]) -> Variant {
    let [alpha, beta, gamma] = proportions;
    let weights = LossWeights { alpha, beta, gamma };
    if weights == LossWeights::default() {
        Variant::Full
    } else {
        Variant::Weights(proportions)
    }
}

/// One training and its evaluation.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The dataset's category.
    pub category: String,
    /// What is trained.
    pub variant: Variant,
    /// Its seed.
    pub seed: u64,
    /// All that the training is told.
    pub settings: Settings,
    /// Where it is kept.
    pub folder: PathBuf,
}

impl Experiment {
    /// Its name for people.
    pub fn name(&self) -> String {
        format!(
            "{} {} seed {}",
            self.category,
            self.variant.name(),
            self.seed
        )
    }

    /// The folder of its training.
    pub fn run(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// The result of its evaluation; the experiment is done once it is there.
    pub fn result(&self) -> PathBuf {
        self.folder.join("metrics.json")
    }
}

/// All experiments of `target` in `out`, the seeds of a variant next to each other last: the first results of
/// everything come first. Two targets in one folder share the experiments that they have in common.
///
/// # Errors
/// When the dataset has no category, or not one that was named; when `shared` sets what tells experiments apart.
pub fn experiments(
    target: Target,
    out: &Path,
    shared: &Settings,
    categories: &[String],
    seeds: &[u64],
) -> Result<Vec<Experiment>> {
    ensure!(!seeds.is_empty(), "seeds: at least one is needed");
    if *shared != without_experiment_settings(shared) {
        bail!(
            "method, second_encoder, self_distillation, seed and category tell the experiments apart: they are \
             set by the table, --seeds and --categories"
        );
    }
    let there = dataset::categories(&shared.dataset)?;
    for category in categories {
        ensure!(
            there.contains(category),
            "{}: no category {category:?} (there: {})",
            shared.dataset.display(),
            there.join(", ")
        );
    }
    let categories = if categories.is_empty() {
        &there
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

/// `settings` with what tells experiments apart as it is by default.
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
            teacher: "teacher.safetensors".into(),
            ..Settings::default()
        }
    }

    #[test]
    fn a_plan_has_every_category_variant_and_seed_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let shared = shared(folder.path());
        let plan = |target, categories: &[String]| {
            experiments(target, Path::new("out"), &shared, categories, &[1, 2]).expect("a plan")
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
        assert_eq!(plan(Target::Table1, &["b".into()]).len(), 4);
        let sweep = plan(Target::Fig7, &["b".into()]);
        let own = sweep
            .iter()
            .filter(|experiment| experiment.variant == Variant::Full);
        assert_eq!(
            own.count(),
            2,
            "the paper's proportions are the full model's experiments"
        );
    }

    #[test]
    fn what_tells_cells_apart_is_refused_as_a_setting() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let check = |change: fn(&mut Settings), categories: &[String], seeds: &[u64], expected| {
            let mut shared = shared(folder.path());
            change(&mut shared);
            let plan = experiments(Target::Table1, Path::new("out"), &shared, categories, seeds);
            let error = plan.expect_err("refused").to_string();
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
            "no category \"c\" (there: a, b)",
        );
        check(|_| {}, &[], &[], "at least one is needed");
    }
}
