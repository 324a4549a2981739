//! Whether a checkpoint is of the network that it is wanted for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::element_type::Element;
use super::error::ImportError;
use super::{HostTensor, Tensors};

/// A checkpoint that fits, under the network's own names.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The network's tensors, all of them and no others.
    pub tensors: Tensors,
    /// What was found.
    pub report: Report,
}

/// What was found in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many tensors.
    pub tensors: usize,
    /// How many values they have together.
    pub parameters: usize,
    /// What the values were in the file.
    pub elements: BTreeSet<Element>,
    /// What stood before every name, as `module.`; empty for nothing.
    pub prefix: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements: Vec<String> = self.elements.iter().map(Element::to_string).collect();
        let elements = elements.join(", ");
        write!(
            f,
            "{} tensors, {} parameters in {elements}",
            self.tensors, self.parameters
        )?;
        if self.prefix.is_empty() {
            return Ok(());
        }
        write!(f, ", each name after {:?}", self.prefix)
    }
}

/// Checks that `tensors` are those of a network, given by names and shapes. One prefix that all names
/// have in the checkpoint (`module.` of a data-parallel training, `teacher.` of a larger model) is
/// removed.
///
/// # Errors
/// When a tensor is missing, is not the network's, has another shape or a value that is not finite; it
/// is named.
pub fn check(tensors: Tensors, expected: &[(String, Vec<usize>)]) -> Result<Checked, ImportError> {
    let prefix = prefix(&tensors, expected);
    let mut rest = tensors;
    let mut found = BTreeMap::new();
    for (name, shape) in expected {
        let stored = format!("{prefix}{name}");
        let Some(tensor) = rest.remove(&stored) else {
            return Err(ImportError::Missing { name: stored });
        };
        check_tensor(&stored, &tensor, shape)?;
        found.insert(name.clone(), tensor);
    }
    if let Some(name) = rest.into_keys().next() {
        return Err(ImportError::Unexpected { name });
    }
    let report = Report {
        tensors: found.len(),
        parameters: found.values().map(|tensor| tensor.data.len()).sum(),
        elements: found.values().map(|tensor| tensor.element).collect(),
        prefix,
    };
    Ok(Checked {
        tensors: found,
        report,
    })
}

fn check_tensor(name: &str, tensor: &HostTensor, shape: &[usize]) -> Result<(), ImportError> {
    let name = name.to_owned();
    if tensor.shape != shape {
        return Err(ImportError::Shape {
            name,
            found: tensor.shape.clone(),
            expected: shape.to_vec(),
        });
    }
    if tensor.data.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(ImportError::NotFinite { name })
    }
}

/// What stands before the most of the expected names; nothing where none is there.
fn prefix(tensors: &Tensors, expected: &[(String, Vec<usize>)]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for stored in tensors.keys() {
        for (name, _) in expected {
            let before = stored.strip_suffix(name.as_str());
            // `10.weight` is not `0.weight` with a prefix of 1.
            if let Some(before) = before.filter(|before| before.is_empty() || before.ends_with('.'))
            {
                *counts.entry(before).or_default() += 1;
            }
        }
    }
    // Of equals the last wins: in reverse, so that no prefix beats any.
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map_or_else(String::new, |(before, _)| before.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(shapes: &[(&str, &[usize])]) -> Tensors {
        let tensor = |shape: &[usize]| HostTensor {
            shape: shape.to_vec(),
            data: vec![0.5; shape.iter().product()],
            element: Element::F32,
        };
        shapes
            .iter()
            .map(|(name, shape)| ((*name).to_owned(), tensor(shape)))
            .collect()
    }

    fn network() -> Vec<(String, Vec<usize>)> {
        vec![
            ("0.weight".into(), vec![2, 1]),
            ("0.bias".into(), vec![2]),
            ("10.weight".into(), vec![3]),
        ]
    }

    #[test]
    fn a_common_prefix_is_removed() {
        for before in ["", "module.", "model.teacher."] {
            let names = ["0.weight", "0.bias", "10.weight"].map(|name| format!("{before}{name}"));
            let stored = tensors(&[(&names[0], &[2, 1]), (&names[1], &[2]), (&names[2], &[3])]);
            let Checked { tensors, report } = check(stored, &network()).expect("the network's");
            assert_eq!(
                tensors.keys().collect::<Vec<_>>(),
                ["0.bias", "0.weight", "10.weight"]
            );
            assert_eq!(
                (report.tensors, report.parameters, report.prefix.as_str()),
                (3, 7, before)
            );
        }
    }

    #[test]
    fn a_report_reads_as_a_sentence() {
        let stored = tensors(&[
            ("m.0.weight", &[2, 1]),
            ("m.0.bias", &[2]),
            ("m.10.weight", &[3]),
        ]);
        let report = check(stored, &network()).expect("the network's").report;
        assert_eq!(
            report.to_string(),
            "3 tensors, 7 parameters in f32, each name after \"m.\""
        );
    }

    #[test]
    fn a_wrong_tensor_is_named() {
        let check = |stored: &[(&str, &[usize])], expected: &str| {
            let error = check(tensors(stored), &network()).expect_err("another network's");
            assert_eq!(
                error.to_string().split_once(": ").expect("two parts").1,
                expected
            );
        };
        check(
            &[("0.weight", &[2, 1]), ("10.weight", &[3])],
            "missing 0.bias",
        );
        check(
            &[("m.0.weight", &[2, 1]), ("m.10.weight", &[3])],
            "missing m.0.bias",
        );
        check(&[("conv1.weight", &[2, 1])], "missing 0.weight");
        check(
            &[("0.weight", &[2, 2]), ("0.bias", &[2]), ("10.weight", &[3])],
            "0.weight has shape [2, 2], expected [2, 1]",
        );
        check(
            &[
                ("0.weight", &[2, 1]),
                ("0.bias", &[2]),
                ("10.weight", &[3]),
                ("11.weight", &[3]),
            ],
            "unexpected 11.weight",
        );
    }

    #[test]
    fn a_weight_that_is_not_finite_is_refused() {
        let mut stored = tensors(&[("0.weight", &[2, 1]), ("0.bias", &[2]), ("10.weight", &[3])]);
        stored.get_mut("0.bias").expect("just made").data[1] = f32::NAN;
        let error = check(stored, &network()).expect_err("damaged");
        assert!(
            error
                .to_string()
                .contains("0.bias has values that are not finite"),
            "{error}"
        );
    }
}
