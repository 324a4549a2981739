//! Checks the names, shapes and values of a state dict against the expected network.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::element_type::ElementType;
use super::error::ImportError;
use super::{HostTensor, Tensors};

/// Tensors of a checked checkpoint, under the names of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedTensors {
    /// Exactly the tensors of the network.
    pub tensors: Tensors,
    /// Summary of the checkpoint.
    pub report: CheckReport,
}

/// Summary of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Number of tensors.
    pub tensors: usize,
    /// Total number of values.
    pub parameters: usize,
    /// Element types in the file.
    pub elements: BTreeSet<ElementType>,
    /// Prefix of all names, such as `module.`; may be empty.
    pub prefix: String,
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements: Vec<String> = self.elements.iter().map(ElementType::to_string).collect();
        let elements = elements.join(", ");
        write!(
            f,
            "{} tensors, {} parameters in {elements}",
            self.tensors, self.parameters
        )?;
        if self.prefix.is_empty() {
            return Ok(());
        }
        write!(f, ", removed name prefix {:?}", self.prefix)
    }
}

/// Checks that `tensors` are exactly the tensors of a network, given by names and shapes. A common prefix of
/// all names in the checkpoint (`module.` of data-parallel training, `teacher.` of a larger model) is removed.
///
/// # Errors
/// When a tensor is missing, unexpected, of a different shape, or has non-finite values. The message names
/// the tensor.
pub fn check_state_dict(
    tensors: Tensors,
    expected: &[(String, Vec<usize>)],
) -> Result<CheckedTensors, ImportError> {
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
    let report = CheckReport {
        tensors: found.len(),
        parameters: found.values().map(|tensor| tensor.data.len()).sum(),
        elements: found.values().map(|tensor| tensor.element).collect(),
        prefix,
    };
    Ok(CheckedTensors {
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
        Err(ImportError::NonFinite { name })
    }
}

/// Returns the most frequent prefix of the expected names in `tensors`, or an empty string if none of them
/// occurs.
fn prefix(tensors: &Tensors, expected: &[(String, Vec<usize>)]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for stored in tensors.keys() {
        for (name, _) in expected {
            let prefix = stored.strip_suffix(name.as_str());
            // A prefix ends with a dot: `10.weight` is not `0.weight` with the prefix `1`.
            if let Some(prefix) = prefix.filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            {
                *counts.entry(prefix).or_default() += 1;
            }
        }
    }
    // `max_by_key` returns the last of equal elements. The order is reversed to prefer the empty prefix.
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map_or_else(String::new, |(prefix, _)| prefix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(shapes: &[(&str, &[usize])]) -> Tensors {
        let tensor = |shape: &[usize]| HostTensor {
            shape: shape.to_vec(),
            data: vec![0.5; shape.iter().product()],
            element: ElementType::F32,
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
    fn common_prefix_of_all_names_is_removed() {
        for prefix in ["", "module.", "model.teacher."] {
            let names = ["0.weight", "0.bias", "10.weight"].map(|name| format!("{prefix}{name}"));
            let stored = tensors(&[(&names[0], &[2, 1]), (&names[1], &[2]), (&names[2], &[3])]);
            let CheckedTensors { tensors, report } =
                check_state_dict(stored, &network()).expect("the network's");
            assert_eq!(
                tensors.keys().collect::<Vec<_>>(),
                ["0.bias", "0.weight", "10.weight"]
            );
            assert_eq!(
                (report.tensors, report.parameters, report.prefix.as_str()),
                (3, 7, prefix)
            );
        }
    }

    #[test]
    fn report_lists_counts_element_type_and_prefix() {
        let stored = tensors(&[
            ("m.0.weight", &[2, 1]),
            ("m.0.bias", &[2]),
            ("m.10.weight", &[3]),
        ]);
        let report = check_state_dict(stored, &network())
            .expect("the network's")
            .report;
        assert_eq!(
            report.to_string(),
            "3 tensors, 7 parameters in f32, removed name prefix \"m.\""
        );
    }

    #[test]
    fn error_names_the_missing_unexpected_or_misshapen_tensor() {
        let check = |stored: &[(&str, &[usize])], expected: &str| {
            let error = check_state_dict(tensors(stored), &network())
                .expect_err("does not match the network");
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
    fn non_finite_weight_is_rejected() {
        let mut stored = tensors(&[("0.weight", &[2, 1]), ("0.bias", &[2]), ("10.weight", &[3])]);
        stored.get_mut("0.bias").expect("just made").data[1] = f32::NAN;
        let error = check_state_dict(stored, &network()).expect_err("damaged");
        assert!(
            error.to_string().contains("0.bias has non-finite values"),
            "{error}"
        );
    }
}
