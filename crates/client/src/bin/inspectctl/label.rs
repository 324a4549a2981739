//! `inspectctl label`: what people say of verdicts.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Cell;
use inspectd_client::Client;
use inspectd_client::proto::{Label, LabelKind};

use crate::failure::Failure;
use crate::table::{self, Column};
use crate::{format, json};

/// Arguments of `label`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// Print one JSON object per label, one per line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all labels, by sequence.
    List,
    /// Set or replace the label of a verdict.
    Set {
        /// Sequence of the verdict.
        sequence: u64,
        /// What the part is.
        kind: Kind,
        /// Class of the defect, such as `scratch`; only for `defective`.
        #[arg(long)]
        class: Option<String>,
    },
    /// Remove the label of a verdict.
    Remove {
        /// Sequence of the verdict.
        sequence: u64,
    },
}

/// What a person says of a part.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// The part is good.
    Good,
    /// The part is defective.
    Defective,
    /// The person cannot tell.
    Unsure,
}

impl From<Kind> for LabelKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Good => Self::Good,
            Kind::Defective => Self::Defective,
            Kind::Unsure => Self::Unsure,
        }
    }
}

/// Runs the action, and prints the labels that it concerns.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let labels = match &arguments.action {
        Action::List => client.labels().await?,
        Action::Set {
            sequence,
            kind,
            class,
        } => {
            let class = class.as_deref().unwrap_or_default();
            let label = client.label(*sequence, (*kind).into(), class).await?;
            label.into_iter().collect()
        }
        Action::Remove { sequence } => {
            client.label(*sequence, LabelKind::Unspecified, "").await?;
            Vec::new()
        }
    };
    let mut out = anstream::stdout();
    if !arguments.json {
        return Ok(write!(out, "{}", describe(&labels))?);
    }
    for label in &labels {
        json::write(&mut out, &json::Label::from(label))?;
    }
    Ok(())
}

fn describe(labels: &[Label]) -> String {
    const COLUMNS: [Column; 5] = [
        Column::number("verdict"),
        Column::text("label"),
        Column::text("class"),
        Column::text("author"),
        Column::text("at"),
    ];
    table::render(COLUMNS, labels.iter().map(row).collect())
}

fn row(label: &Label) -> [Cell; 5] {
    let text = |text: &str| Cell::new(if text.is_empty() { "-" } else { text });
    let time = label.time.as_ref();
    [
        Cell::new(label.sequence),
        Cell::new(format::label(label.kind())),
        text(&label.defect_class),
        text(&label.author),
        Cell::new(time.map_or_else(|| "-".to_owned(), format::second)),
    ]
}
