//! The methods that a fit chooses from: any sum of methods without training and one that is trained.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::feature_methods::FeatureMethods;
use crate::network::architecture::Method;

/// A method of a fit. Its text form is a sum of names: `padim`, `mhkd+fre`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitMethod {
    /// The methods without training.
    pub features: FeatureMethods,
    /// The trained method.
    pub student: Option<Method>,
}

/// A text that is not a method.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "method {0}: must be auto, or one or several of padim, patchcore, fre and one of mhkd, efficientad and st, each at most once, with + between them"
)]
pub struct MethodError(String);

impl FitMethod {
    /// A Gaussian of the features in every cell.
    pub const PADIM: Self = Self::without_training([true, false, false]);
    /// The nearest feature of a memory bank.
    pub const PATCH_CORE: Self = Self::without_training([false, true, false]);
    /// The error of a projection of the whole image on the subspace of good images.
    pub const FRE: Self = Self::without_training([false, false, true]);
    /// These three.
    pub const FEATURES: Self = Self::without_training([true; 3]);
    /// A trained student with a structural and a logical branch.
    pub const MHKD: Self = Self {
        features: FeatureMethods::NONE,
        student: Some(Method::Mhkd),
    };
    /// All of them.
    pub const FUSED: Self = Self {
        features: FeatureMethods::ALL,
        student: Some(Method::Mhkd),
    };

    const fn without_training([padim, patch_core, fre]: [bool; 3]) -> Self {
        Self {
            features: FeatureMethods {
                padim,
                patch_core,
                fre,
            },
            student: None,
        }
    }

    /// Whether the score is a norm of the maps instead of their sum: a map in which an anomaly does not show then adds
    /// less noise to the others.
    pub fn has_common_norm(self) -> bool {
        let FeatureMethods {
            padim,
            patch_core,
            fre,
        } = self.features;
        let appearance = padim || patch_core;
        match self.student {
            Some(_) => appearance || fre,
            None => appearance && fre,
        }
    }
}

impl fmt::Display for FitMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let student = self.student.map(|method| match method {
            Method::Mhkd => "mhkd",
            Method::EfficientAd => "efficientad",
            Method::UninformedStudents => "st",
        });
        let features = [
            (self.features.padim, "padim"),
            (self.features.patch_core, "patchcore"),
            (self.features.fre, "fre"),
        ];
        let features = features
            .into_iter()
            .filter_map(|(used, name)| used.then_some(name));
        let names: Vec<&str> = student.into_iter().chain(features).collect();
        f.write_str(&names.join("+"))
    }
}

impl FromStr for FitMethod {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        let mut method = Self {
            features: FeatureMethods::NONE,
            student: None,
        };
        for name in text.split('+') {
            let repeated = match name.trim() {
                "padim" => std::mem::replace(&mut method.features.padim, true),
                "patchcore" => std::mem::replace(&mut method.features.patch_core, true),
                "fre" => std::mem::replace(&mut method.features.fre, true),
                "mhkd" => method.student.replace(Method::Mhkd).is_some(),
                "efficientad" => method.student.replace(Method::EfficientAd).is_some(),
                "st" => method.student.replace(Method::UninformedStudents).is_some(),
                _ => true,
            };
            if repeated {
                return Err(MethodError(text.to_owned()));
            }
        }
        Ok(method)
    }
}

impl Serialize for FitMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The method of a fit on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodChoice {
    /// By artificial defects, among the methods that fit into the time.
    Auto,
    /// This one.
    Given(FitMethod),
}

impl MethodChoice {
    /// The method, or `None` for the automatic choice.
    pub fn method(self) -> Option<FitMethod> {
        match self {
            Self::Auto => None,
            Self::Given(method) => Some(method),
        }
    }
}

impl FromStr for MethodChoice {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Given),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_parsed_and_written_back() {
        for (text, method) in [
            ("padim", FitMethod::PADIM),
            ("padim+patchcore+fre", FitMethod::FEATURES),
            ("mhkd+padim+patchcore+fre", FitMethod::FUSED),
        ] {
            assert_eq!(text.parse(), Ok(method));
            assert_eq!(method.to_string(), text);
        }
        assert_eq!("fre+padim+patchcore".parse(), Ok(FitMethod::FEATURES));
        assert_eq!("auto".parse(), Ok(MethodChoice::Auto));
        for text in [
            "",
            "pca",
            "padim+padim",
            "mhkd+efficientad",
            "padim+",
            "auto+fre",
        ] {
            let error = text.parse::<MethodChoice>().expect_err(text).to_string();
            assert!(error.contains("must be auto"), "{error}");
        }
    }

    #[test]
    fn norm_is_taken_only_of_several_maps() {
        let norm = |text: &str| {
            let method: FitMethod = text.parse().expect(text);
            method.has_common_norm()
        };
        for text in ["padim", "patchcore", "fre", "padim+patchcore", "mhkd", "st"] {
            assert!(!norm(text), "{text}");
        }
        for text in ["padim+fre", "mhkd+fre", "efficientad+padim"] {
            assert!(norm(text), "{text}");
        }
    }
}
