//! The result of a scenario.

/// The result of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// The heading of its rule in docs/conformance.md.
    pub rule: &'static str,
    /// Why it failed.
    pub failure: Option<String>,
    /// How long it took, seconds.
    pub seconds: f64,
    /// What happened.
    pub events: Vec<String>,
}

impl Outcome {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}
