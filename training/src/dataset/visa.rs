//! `VisA` (Zou et al., 2022): which image is for what stands in `split_csv/1cls.csv`, beside the
//! categories, in columns object, split, label, image, mask; paths start at the dataset's folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{Found, Group, Kind, TestItem, category};

const COLUMNS: &str = "object,split,label,image,mask";

pub(super) fn find(root: &Path) -> Result<Found> {
    let dataset = root.parent().unwrap_or(root);
    let table = dataset.join("split_csv/1cls.csv");
    let text = fs::read_to_string(&table).with_context(|| {
        format!(
            "{}: the visa layout's split cannot be read",
            table.display()
        )
    })?;
    let mut found =
        read(dataset, &category::name(root), &text).with_context(|| table.display().to_string())?;
    for path in found.train.iter().chain(
        found
            .test
            .iter()
            .flat_map(|item| item.masks.iter().chain([&item.path])),
    ) {
        ensure!(
            path.is_file(),
            "{}: no such file, and {} lists it",
            path.display(),
            table.display()
        );
    }
    ensure!(
        !found.train.is_empty(),
        "{}: no training image of {}",
        table.display(),
        category::name(root)
    );
    found.train.sort();
    found.test.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The rows of `object`.
fn read(dataset: &Path, object: &str, text: &str) -> Result<Found> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let header = lines.next().unwrap_or_default();
    ensure!(header == COLUMNS, "line 1 is {header:?}, not {COLUMNS:?}");
    let mut found = Found {
        train: Vec::new(),
        validation: Vec::new(),
        test: Vec::new(),
    };
    for (number, line) in (2..).zip(lines).filter(|(_, line)| !line.is_empty()) {
        let fields: Vec<&str> = line.split(',').collect();
        let [row_object, split, label, image, mask] = fields[..] else {
            bail!("line {number} has {} fields, not 5: {line:?}", fields.len());
        };
        if row_object != object {
            continue;
        }
        match (split, label) {
            ("train", "normal") => found.train.push(dataset.join(image)),
            ("test", "normal") => {
                let image = dataset.join(image);
                found.test.push(item(image, Kind::Good, Vec::new()));
            }
            ("test", "anomaly") => {
                ensure!(
                    !mask.is_empty(),
                    "line {number}: an anomalous image without a mask"
                );
                let kind = Kind::Anomalous {
                    type_name: "anomaly".to_owned(),
                    group: Group::Unspecified,
                };
                found
                    .test
                    .push(item(dataset.join(image), kind, vec![dataset.join(mask)]));
            }
            _ => bail!(
                "line {number}: {split},{label} is neither train,normal nor test,normal nor test,anomaly"
            ),
        }
    }
    Ok(found)
}

fn item(path: PathBuf, kind: Kind, masks: Vec<PathBuf>) -> TestItem {
    TestItem { path, kind, masks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_rows_are_read() {
        let check = |rows: &str, expected: &str| {
            let text = format!("{COLUMNS}\n{rows}");
            let outcome = read(Path::new("/v"), "nut", &text);
            let shown = outcome.map_or_else(
                |error| error.to_string(),
                |found| format!("{} train, {} test", found.train.len(), found.test.len()),
            );
            assert_eq!(shown, expected, "{rows}");
        };
        check(
            "nut,train,normal,n/1.JPG,\nnut,test,anomaly,n/2.JPG,m/2.png\n",
            "1 train, 1 test",
        );
        check(
            "pcb,train,normal,n/1.JPG,\r\n\r\nnut,test,normal,n/3.JPG,\r\n",
            "0 train, 1 test",
        );
        check(
            "nut,train,normal,n/1.JPG",
            "line 2 has 4 fields, not 5: \"nut,train,normal,n/1.JPG\"",
        );
        check(
            "nut,test,anomaly,n/2.JPG,",
            "line 2: an anomalous image without a mask",
        );
        check(
            "nut,train,anomaly,n/2.JPG,m/2.png",
            "line 2: train,anomaly is neither train,normal nor test,normal nor test,anomaly",
        );
        let error = read(Path::new("/v"), "nut", "a,b\n")
            .map(|_| ())
            .expect_err("another header");
        assert_eq!(
            error.to_string(),
            "line 1 is \"a,b\", not \"object,split,label,image,mask\""
        );
    }
}
