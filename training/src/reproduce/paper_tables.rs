//! The paper's tables: measured results together with the values that the paper reports.

use super::comparison_table::{Row, Table, TableEntry};
use super::experiment::{Target, Variant};
use super::paper_values::{self, ReportedRow};
use super::results::{self, MapSelection, MetricFn, Results};
use crate::fit_photos::FitMethod;

/// Input of a table.
pub struct TableData<'a> {
    /// Results of the finished experiments.
    pub results: &'a Results,
    /// Requested categories.
    pub categories: &'a [String],
}

impl TableData<'_> {
    fn over_all(
        &self,
        variant: Variant,
        map: MapSelection,
        figure: MetricFn,
    ) -> Option<results::SeedStat> {
        self.results.stat(variant, map, self.categories, figure)
    }

    fn of(
        &self,
        variant: Variant,
        map: MapSelection,
        category: &String,
        figure: MetricFn,
    ) -> Option<results::SeedStat> {
        let category = std::slice::from_ref(category);
        self.results.stat(variant, map, category, figure)
    }
}

/// Rows of a comparison: name, trained variant, and the map that scores the images.
const METHODS: [(&str, Variant, MapSelection); 8] = [
    (
        "MHKD, structural map only",
        Variant::Full,
        MapSelection::Structural,
    ),
    (
        "MHKD, logical map only",
        Variant::Full,
        MapSelection::Logical,
    ),
    ("S-T", Variant::UninformedStudents, MapSelection::Both),
    ("PaDiM", Variant::Fit(FitMethod::PADIM), MapSelection::Both),
    (
        "PatchCore",
        Variant::Fit(FitMethod::PATCH_CORE),
        MapSelection::Both,
    ),
    (
        "PaDiM + PatchCore + FRE",
        Variant::Fit(FitMethod::FEATURES),
        MapSelection::Both,
    ),
    ("EfficientAD", Variant::EfficientAd, MapSelection::Both),
    ("MHKD", Variant::Full, MapSelection::Both),
];

/// The same methods with all maps, for Table V.
pub(super) const COMPARED: [(&str, Variant); 6] = [
    ("S-T", Variant::UninformedStudents),
    ("PaDiM", Variant::Fit(FitMethod::PADIM)),
    ("PatchCore", Variant::Fit(FitMethod::PATCH_CORE)),
    ("PaDiM + PatchCore + FRE", Variant::Fit(FitMethod::FEATURES)),
    ("EfficientAD", Variant::EfficientAd),
    ("MHKD", Variant::Full),
];

/// Note under every table.
const MEASURED: &str = "Rows marked \"paper\" are values reported in the paper. The other rows are measured: mean ± standard deviation over seeds (no deviation for a single seed).";

/// Returns the table of `target`. For [`Target::Table5`], the timings are not included.
pub fn table(target: Target, data: &TableData) -> Table {
    match target {
        Target::Table1 => table_1(data),
        Target::Table2 => table_2(data),
        Target::Table3 => table_3(data),
        Target::Table4 => table_4(data),
        Target::Table5 => table_5(data),
        Target::Fig7 => fig_7(data),
    }
}

fn titled(title: &str, columns: Vec<String>, rows: Vec<Row>) -> Table {
    Table {
        title: title.to_owned(),
        columns,
        rows,
        notes: vec![MEASURED.to_owned()],
    }
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Column names of a table by category.
fn by_category(categories: &[String], more: &[&str]) -> Vec<String> {
    let first = std::iter::once("Method".to_owned());
    let more = more.iter().map(|&name| name.to_owned());
    first
        .chain(categories.iter().cloned())
        .chain(more)
        .collect()
}

fn reported(row: &ReportedRow, categories: &[String], after: usize) -> Row {
    let figure = |category: &String| {
        let found = row.figures.iter().find(|(name, _)| name == category);
        TableEntry::reported(found.map(|(_, figure)| *figure))
    };
    let mut entries: Vec<TableEntry> = categories.iter().map(figure).collect();
    entries.push(TableEntry::reported(Some(row.mean)));
    entries.extend(std::iter::repeat_n(TableEntry::None, after));
    Row {
        name: format!("{}, paper", row.method),
        entries,
    }
}

fn table_1(data: &TableData) -> Table {
    let mut rows: Vec<Row> = paper_values::TABLE_1
        .iter()
        .map(|row| {
            let mut row = reported(row, data.categories, 3);
            // Section IV-B reports the mean image AUROC of MHKD.
            if row.name == "MHKD, paper"
                && let Some(last) = row.entries.last_mut()
            {
                *last = TableEntry::reported(Some("0.910"));
            }
            row
        })
        .collect();
    for (name, variant, map) in METHODS {
        let all = |figure| TableEntry::share(data.over_all(variant, map, figure));
        let each = data
            .categories
            .iter()
            .map(|category| TableEntry::share(data.of(variant, map, category, results::au_spro)));
        let mut entries: Vec<TableEntry> = each.collect();
        entries.extend([
            all(results::au_spro),
            all(results::structural_image_auroc),
            all(results::logical_image_auroc),
            all(results::mean_image_auroc),
        ]);
        rows.push(Row {
            name: name.to_owned(),
            entries,
        });
    }
    titled(
        "Table I: AU-sPRO at FPR 0.05 on MVTec LOCO AD",
        by_category(
            data.categories,
            &[
                "Mean",
                "Image AUROC structural",
                "Image AUROC logical",
                "Image AUROC mean",
            ],
        ),
        rows,
    )
}

fn table_2(data: &TableData) -> Table {
    let mut rows: Vec<Row> = [&paper_values::TABLE_2_VISA, &paper_values::TABLE_2_MVTEC]
        .into_iter()
        .filter(|row| {
            // The row of the given dataset; both rows if it is a different dataset.
            let known = |row: &ReportedRow| {
                let names = row.figures.iter().map(|(name, _)| *name);
                data.categories
                    .iter()
                    .any(|category| names.clone().any(|name| name == category))
            };
            known(row)
                || !(known(&paper_values::TABLE_2_VISA) || known(&paper_values::TABLE_2_MVTEC))
        })
        .map(|row| reported(row, data.categories, 1))
        .collect();
    for (name, variant, map) in METHODS {
        let pair = |image, pixel| {
            TableEntry::Pair(Box::new([
                TableEntry::percent(image, 1),
                TableEntry::percent(pixel, 1),
            ]))
        };
        let each = data.categories.iter().map(|category| {
            pair(
                data.of(variant, map, category, results::image_auroc),
                data.of(variant, map, category, results::pixel_auroc),
            )
        });
        let mut entries: Vec<TableEntry> = each.collect();
        entries.push(pair(
            data.over_all(variant, map, results::image_auroc),
            data.over_all(variant, map, results::pixel_auroc),
        ));
        entries.push(TableEntry::percent(
            data.over_all(variant, map, results::au_pro),
            1,
        ));
        rows.push(Row {
            name: name.to_owned(),
            entries,
        });
    }
    titled(
        "Table II: image AUROC / pixel AUROC on VisA and MVTec AD, per cent",
        by_category(data.categories, &["Mean", "AU-PRO at FPR 0.3, mean"]),
        rows,
    )
}

fn table_3(data: &TableData) -> Table {
    let mut rows: Vec<Row> = paper_values::TABLE_3
        .iter()
        .map(|(method, figures)| Row {
            name: format!("{method}, paper"),
            entries: figures
                .map(|figure| TableEntry::reported(Some(figure)))
                .into(),
        })
        .collect();
    let figures: [MetricFn; 5] = [
        results::image_auroc,
        |metrics| Some(metrics.image.all.max_f1.value),
        |metrics| Some(metrics.image.all.at_max_f1.accuracy),
        |metrics| Some(metrics.image.all.at_max_f1.sensitivity),
        |metrics| Some(metrics.image.all.at_max_f1.specificity),
    ];
    let compared = Target::Table3.variants();
    let methods = METHODS
        .iter()
        .filter(|(_, variant, _)| compared.contains(variant));
    for &(name, variant, map) in methods {
        rows.push(Row {
            name: name.to_owned(),
            entries: figures
                .map(|figure| TableEntry::percent(data.over_all(variant, map, figure), 2))
                .into(),
        });
    }
    titled(
        "Table III: Retinal OCT, per cent; ACC, SEN and SPE at the threshold of the largest F1",
        columns(&["Method", "AUC", "F1-score", "ACC", "SEN", "SPE"]),
        rows,
    )
}

/// Row name of an ablation in Table IV.
fn ablation(variant: &str) -> &'static str {
    match variant {
        "neither" => "without both",
        "no-encoder2" => "without SEncoder2",
        "no-self-distillation" => "without self-distillation",
        _ => "full",
    }
}

fn table_4(data: &TableData) -> Table {
    let mut rows = Vec::new();
    for (name, figures) in paper_values::TABLE_4 {
        rows.push(Row {
            name: format!("{}, paper", ablation(name)),
            entries: figures
                .map(|figure| TableEntry::reported(Some(figure)))
                .into(),
        });
    }
    let columns_of: [MetricFn; 6] = [
        results::structural_au_spro,
        results::logical_au_spro,
        results::au_spro,
        results::mean_image_auroc,
        results::structural_image_auroc,
        results::logical_image_auroc,
    ];
    for row in &mut rows {
        row.entries.extend([TableEntry::None, TableEntry::None]);
    }
    for variant in Target::Table4.variants() {
        rows.push(Row {
            name: ablation(&variant.name()).to_owned(),
            entries: columns_of
                .map(|figure| TableEntry::share(data.over_all(variant, MapSelection::Both, figure)))
                .into(),
        });
    }
    titled(
        "Table IV: ablations on MVTec LOCO AD, AU-sPRO at FPR 0.05 and image AUROC",
        columns(&[
            "Model",
            "Structural",
            "Logical",
            "Mean",
            "Image AUROC",
            "Image AUROC structural",
            "Image AUROC logical",
        ]),
        rows,
    )
}

fn table_5(data: &TableData) -> Table {
    let mut rows: Vec<Row> = paper_values::TABLE_5
        .iter()
        .map(|(method, figures)| Row {
            name: format!("{method}, paper"),
            entries: figures
                .map(|figure| TableEntry::reported(Some(figure)))
                .into(),
        })
        .collect();
    for (name, variant) in COMPARED {
        let spro = data.over_all(variant, MapSelection::Both, results::au_spro);
        rows.push(Row {
            name: name.to_owned(),
            entries: vec![TableEntry::share(spro)],
        });
    }
    titled(
        "Table V: efficiency",
        columns(&[
            "Method",
            "AU-sPRO",
            "Parameters, million",
            "GFLOP per image",
            "Latency, ms",
            "Images/s",
        ]),
        rows,
    )
}

fn fig_7(data: &TableData) -> Table {
    let row = |weights: [f64; 3]| {
        let variant = super::experiment::weights_variant(weights);
        let [alpha, beta, gamma] = weights;
        let entries = [
            results::structural_au_spro as MetricFn,
            results::logical_au_spro,
            results::au_spro,
            results::mean_image_auroc,
        ]
        .map(|figure| TableEntry::share(data.over_all(variant, MapSelection::Both, figure)));
        Row {
            name: format!("{alpha} : {beta} : {gamma}"),
            entries: entries.into(),
        }
    };
    let mut table = titled(
        "Fig. 7: loss weights alpha : beta : gamma on MVTec LOCO AD, AU-sPRO at FPR 0.05",
        columns(&[
            "alpha : beta : gamma",
            "Structural",
            "Logical",
            "Mean",
            "Image AUROC",
        ]),
        super::experiment::LOSS_WEIGHTS.map(row).into(),
    );
    table.notes.push(
        "The paper shows Fig. 7 only as a chart without values; it chose 1 : 1 : 2.".to_owned(),
    );
    table
}
