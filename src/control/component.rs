//! A model component: its name, its state, and why a call about it is refused. Pure.

use std::fmt;
use std::str::FromStr;

use inspectd_core::id::RecipeId;
use thiserror::Error;

use super::error::ChangeError;

/// The name of what judges while no recipe is active. A recipe with this id is no model component.
pub const DEFAULT_COMPONENT: &str = "default";

/// Largest name of a component, bytes: that of AWS IoT Greengrass.
const NAME_LIMIT: usize = 128;

/// The model component that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentId {
    /// The settings and the model of the configuration, without a recipe.
    Default,
    /// A recipe.
    Recipe(RecipeId),
}

impl FromStr for ComponentId {
    type Err = ComponentError;

    /// Names of AWS IoT Greengrass may have upper-case letters and dots: these stand for lower-case letters and hyphens.
    fn from_str(name: &str) -> Result<Self, ComponentError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=NAME_LIMIT).contains(&name.len()) || !name.bytes().all(allowed) {
            let shown = name.chars().take(NAME_LIMIT).collect();
            return Err(ComponentError::Name(shown));
        }
        let id = name.to_ascii_lowercase().replace('.', "-");
        if id == DEFAULT_COMPONENT {
            return Ok(Self::Default);
        }
        let id = id.parse().map(Self::Recipe);
        id.map_err(|_| ComponentError::NotFound(name.to_owned()))
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str(DEFAULT_COMPONENT),
            Self::Recipe(id) => id.fmt(f),
        }
    }
}

/// The state of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentStatus {
    /// It is not prepared.
    Stopped,
    /// It is being prepared.
    Starting,
    /// It judges images.
    Running,
    /// It cannot be prepared.
    Failed,
    /// It is being released.
    Stopping,
}

impl fmt::Display for ComponentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Failed => "FAILED",
            Self::Stopping => "STOPPING",
        })
    }
}

/// A component and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub id: ComponentId,
    /// Its state.
    pub status: ComponentStatus,
    /// What the state means, for people.
    pub message: String,
}

/// Why a call about a component is refused.
#[derive(Debug, Error)]
pub enum ComponentError {
    /// It is no name.
    #[error(
        "{0:?} is not the name of a model component: must be 1 to {NAME_LIMIT} of a-z, A-Z, 0-9, '-', '_' and '.'"
    )]
    Name(String),
    /// No recipe has this name.
    #[error("model component {0}: there is no recipe with this id")]
    NotFound(String),
    /// It has another state.
    #[error("model component {id} is {status} ({message}); must be {needed}")]
    Status {
        /// The component.
        id: ComponentId,
        /// Its state.
        status: ComponentStatus,
        /// What the state means.
        message: String,
        /// The states in which the call is allowed.
        needed: &'static str,
    },
    /// No further recipe can be prepared.
    #[error(
        "{0} recipes are prepared, as many as recipes.prepared_limit allows; stop one of them first"
    )]
    Full(usize),
    /// It depends on the active recipe whether the default component is running.
    #[error(
        "model component {DEFAULT_COMPONENT} is RUNNING exactly while no recipe is active; it is started and stopped by activating recipes"
    )]
    Default,
    /// The recipes cannot be read or changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// What is in progress, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    Starting,
    Stopping,
    /// The start failed, for this reason.
    Failed(String),
}

/// The error for a component that does not have one of the states `needed`.
pub(super) fn status_error(component: Component, needed: &'static str) -> ComponentError {
    let Component {
        id,
        status,
        message,
    } = component;
    ComponentError::Status {
        id,
        status,
        message,
        needed,
    }
}

/// What decides about the state of a component.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Whether it judges the cameras.
    pub(super) active: bool,
    /// Whether it can judge.
    pub(super) prepared: bool,
    /// Whether its file has another content than it judges by.
    pub(super) changed: bool,
    /// Why it could not be prepared now.
    pub(super) fault: Option<String>,
    /// What is in progress, or how it ended.
    pub(super) transition: Option<Transition>,
}

/// The state of a component, and what it means.
pub(super) fn status(facts: Facts) -> (ComponentStatus, String) {
    match facts.transition {
        Some(transition @ (Transition::Starting | Transition::Stopping)) => {
            return in_progress(&transition);
        }
        // What is prepared since has not failed.
        Some(Transition::Failed(reason)) if !facts.prepared => {
            return (ComponentStatus::Failed, reason);
        }
        _ => {}
    }
    if facts.prepared {
        let state = if facts.active {
            "active: it judges the cameras"
        } else {
            "prepared"
        };
        let mut message = state.to_owned();
        if facts.changed {
            message.push_str("; its file was changed since");
        }
        return (ComponentStatus::Running, message);
    }
    match facts.fault {
        Some(fault) => (ComponentStatus::Failed, fault),
        None => (ComponentStatus::Stopped, "not prepared".to_owned()),
    }
}

/// The state of a component during a transition, or after a failed one.
pub(super) fn in_progress(transition: &Transition) -> (ComponentStatus, String) {
    match transition {
        Transition::Starting => (
            ComponentStatus::Starting,
            "its model is being loaded".to_owned(),
        ),
        Transition::Stopping => (
            ComponentStatus::Stopping,
            "its model is being released".to_owned(),
        ),
        Transition::Failed(reason) => (ComponentStatus::Failed, reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_recipes_in_lower_case_with_hyphens() {
        let check = |name: &str, expected: Result<&str, &str>| {
            let id = name.parse::<ComponentId>();
            let id = id.map_err(|error| error.to_string());
            match (id, expected) {
                (Ok(id), Ok(expected)) => assert_eq!(id.to_string(), expected, "{name:?}"),
                (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
                (id, expected) => panic!("{name:?}: {id:?}, expected {expected:?}"),
            }
        };
        check("juice", Ok("juice"));
        check("mx24_terminal-2", Ok("mx24_terminal-2"));
        check("com.example.Juice", Ok("com-example-juice"));
        check("SampleComponent", Ok("samplecomponent"));
        check("default", Ok("default"));
        check(&"a".repeat(64), Ok(&"a".repeat(64)));
        check(&"a".repeat(65), Err("there is no recipe with this id"));
        check(&"a".repeat(128), Err("there is no recipe with this id"));
        check(
            &"a".repeat(129),
            Err("is not the name of a model component"),
        );
        for name in ["", "../juice", "a/b", "a b", "a\0", "jüice"] {
            check(name, Err("must be 1 to 128 of a-z"));
        }
        let default: ComponentId = "Default".parse().expect("a name");
        assert_eq!(default, ComponentId::Default);
    }

    #[test]
    fn status_is_what_is_in_progress_then_what_is_prepared_then_what_is_wrong() {
        use ComponentStatus::{Failed, Running, Starting, Stopped, Stopping};
        let check = |facts: Facts, expected: (ComponentStatus, &str)| {
            let (found, message) = status(facts.clone());
            assert_eq!((found, message.as_str()), expected, "{facts:?}");
        };
        let facts = Facts::default;
        check(facts(), (Stopped, "not prepared"));
        let fault = || Some("no bundle".to_owned());
        let faulty = || Facts {
            fault: fault(),
            ..facts()
        };
        check(faulty(), (Failed, "no bundle"));
        let prepared = || Facts {
            prepared: true,
            ..faulty()
        };
        check(prepared(), (Running, "prepared"));
        let active = Facts {
            active: true,
            changed: true,
            ..prepared()
        };
        check(
            active,
            (
                Running,
                "active: it judges the cameras; its file was changed since",
            ),
        );
        let with = |transition| Facts {
            transition: Some(transition),
            ..prepared()
        };
        check(
            with(Transition::Starting),
            (Starting, "its model is being loaded"),
        );
        check(
            with(Transition::Stopping),
            (Stopping, "its model is being released"),
        );
        let failed = || Transition::Failed("no memory".to_owned());
        check(with(failed()), (Running, "prepared"));
        let failed = Facts {
            transition: Some(failed()),
            ..faulty()
        };
        check(failed, (Failed, "no memory"));
    }
}
