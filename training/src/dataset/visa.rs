//! The layout of `VisA` (Zou et al., 2022). The split is defined by `split_csv/1cls.csv` in the folder of the
//! dataset, with the columns object, split, label, image, mask. Paths are relative to that folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{DatasetFiles, Group, Kind, TestItem, category};

const COLUMNS: &str = "object,split,label,image,mask";

pub(super) fn find(root: &Path) -> Result<DatasetFiles> {
    let dataset = root.parent().unwrap_or(root);
    let table = dataset.join("split_csv/1cls.csv");
    let text = fs::read_to_string(&table).with_context(|| {
        format!(
            "{}: cannot read the split of the visa layout",
            table.display()
        )
    })?;
    let mut files =
        read(dataset, &category::name(root), &text).with_context(|| table.display().to_string())?;
    for path in files.train.iter().chain(
        files
            .test
            .iter()
            .flat_map(|item| item.masks.iter().chain([&item.path])),
    ) {
        ensure!(
            path.is_file(),
            "{}: file not found, but {} lists it",
            path.display(),
            table.display()
        );
    }
    ensure!(
        !files.train.is_empty(),
        "{}: lists no training image of {}",
        table.display(),
        category::name(root)
    );
    files.train.sort();
    files.test.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Reads the rows of category `object`.
fn read(dataset: &Path, object: &str, text: &str) -> Result<DatasetFiles> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let header = lines.next().unwrap_or_default();
    ensure!(
        header == COLUMNS,
        "line 1 is {header:?}, expected {COLUMNS:?}"
    );
    let mut files = DatasetFiles {
        train: Vec::new(),
        validation: Vec::new(),
        test: Vec::new(),
    };
    for (number, line) in (2..).zip(lines).filter(|(_, line)| !line.is_empty()) {
        let fields: Vec<&str> = line.split(',').collect();
        let [row_object, split, label, image, mask] = fields[..] else {
            bail!(
                "line {number} has {} fields, expected 5: {line:?}",
                fields.len()
            );
        };
        if row_object != object {
            continue;
        }
        match (split, label) {
            ("train", "normal") => files.train.push(dataset.join(image)),
            ("test", "normal") => {
                let image = dataset.join(image);
                files.test.push(item(image, Kind::Good, Vec::new()));
            }
            ("test", "anomaly") => {
                ensure!(
                    !mask.is_empty(),
                    "line {number}: anomalous image without a mask"
                );
                let kind = Kind::Anomalous {
                    type_name: "anomaly".to_owned(),
                    group: Group::Unspecified,
                };
                files
                    .test
                    .push(item(dataset.join(image), kind, vec![dataset.join(mask)]));
            }
            _ => bail!(
                "line {number}: {split},{label} must be train,normal or test,normal or test,anomaly"
            ),
        }
    }
    Ok(files)
}

fn item(path: PathBuf, kind: Kind, masks: Vec<PathBuf>) -> TestItem {
    TestItem { path, kind, masks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_rows_are_read_and_malformed_rows_are_rejected() {
        let check = |rows: &str, expected: &str| {
            let text = format!("{COLUMNS}\n{rows}");
            let outcome = read(Path::new("/v"), "nut", &text);
            let shown = outcome.map_or_else(
                |error| error.to_string(),
                |files| format!("{} train, {} test", files.train.len(), files.test.len()),
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
            "line 2 has 4 fields, expected 5: \"nut,train,normal,n/1.JPG\"",
        );
        check(
            "nut,test,anomaly,n/2.JPG,",
            "line 2: anomalous image without a mask",
        );
        check(
            "nut,train,anomaly,n/2.JPG,m/2.png",
            "line 2: train,anomaly must be train,normal or test,normal or test,anomaly",
        );
        let error = read(Path::new("/v"), "nut", "a,b\n")
            .map(|_| ())
            .expect_err("another header");
        assert_eq!(
            error.to_string(),
            "line 1 is \"a,b\", expected \"object,split,label,image,mask\""
        );
    }
}
