//! The methods of a vision system, and the role that each one requires.

use crate::config::Role;

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GetResultById`.
    GetResultById,
    /// `GetResultComponentsById`.
    GetResultComponentsById,
    /// `GetResultListFiltered`.
    GetResultListFiltered,
    /// `ReleaseResultHandle`.
    ReleaseResultHandle,
    /// `GetRecipeListFiltered`.
    GetRecipeListFiltered,
    /// `ReleaseRecipeHandle`.
    ReleaseRecipeHandle,
    /// `GetConfigurationById`.
    GetConfigurationById,
    /// `GetConfigurationList`.
    GetConfigurationList,
    /// `ReleaseConfigurationHandle`.
    ReleaseConfigurationHandle,
    /// `ActivateConfiguration`.
    ActivateConfiguration,
    /// `PrepareRecipe`.
    PrepareRecipe,
    /// `UnprepareRecipe`.
    UnprepareRecipe,
    /// `RemoveRecipe`.
    RemoveRecipe,
    /// `SelectModeAutomatic`.
    SelectModeAutomatic,
    /// `Reset`.
    Reset,
    /// `Halt`.
    Halt,
    /// `StartSingleJob`.
    StartSingleJob,
    /// `StartContinuous`.
    StartContinuous,
    /// `Stop`.
    Stop,
    /// `Abort`.
    Abort,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 20] = [
        Self::GetResultById,
        Self::GetResultComponentsById,
        Self::GetResultListFiltered,
        Self::ReleaseResultHandle,
        Self::GetRecipeListFiltered,
        Self::ReleaseRecipeHandle,
        Self::GetConfigurationById,
        Self::GetConfigurationList,
        Self::ReleaseConfigurationHandle,
        Self::ActivateConfiguration,
        Self::PrepareRecipe,
        Self::UnprepareRecipe,
        Self::RemoveRecipe,
        Self::SelectModeAutomatic,
        Self::Reset,
        Self::Halt,
        Self::StartSingleJob,
        Self::StartContinuous,
        Self::Stop,
        Self::Abort,
    ];

    /// Returns the path within the system, and the role that is required.
    fn row(self) -> (&'static str, Role) {
        use Role::{Engineer, Operator, Viewer};
        match self {
            Self::GetResultById => ("ResultManagement/GetResultById", Viewer),
            Self::GetResultComponentsById => ("ResultManagement/GetResultComponentsById", Viewer),
            Self::GetResultListFiltered => ("ResultManagement/GetResultListFiltered", Viewer),
            Self::ReleaseResultHandle => ("ResultManagement/ReleaseResultHandle", Viewer),
            Self::GetRecipeListFiltered => ("RecipeManagement/GetRecipeListFiltered", Viewer),
            Self::ReleaseRecipeHandle => ("RecipeManagement/ReleaseRecipeHandle", Viewer),
            Self::GetConfigurationById => ("ConfigurationManagement/GetConfigurationById", Viewer),
            Self::GetConfigurationList => ("ConfigurationManagement/GetConfigurationList", Viewer),
            Self::ReleaseConfigurationHandle => {
                ("ConfigurationManagement/ReleaseConfigurationHandle", Viewer)
            }
            Self::ActivateConfiguration => {
                ("ConfigurationManagement/ActivateConfiguration", Engineer)
            }
            Self::PrepareRecipe => ("RecipeManagement/PrepareRecipe", Engineer),
            Self::UnprepareRecipe => ("RecipeManagement/UnprepareRecipe", Engineer),
            Self::RemoveRecipe => ("RecipeManagement/RemoveRecipe", Engineer),
            Self::SelectModeAutomatic => ("VisionStateMachine/SelectModeAutomatic", Operator),
            Self::Reset => ("VisionStateMachine/Reset", Engineer),
            Self::Halt => ("VisionStateMachine/Halt", Operator),
            Self::StartSingleJob => (
                "VisionStateMachine/AutomaticModeStateMachine/StartSingleJob",
                Operator,
            ),
            Self::StartContinuous => (
                "VisionStateMachine/AutomaticModeStateMachine/StartContinuous",
                Operator,
            ),
            Self::Stop => (
                "VisionStateMachine/AutomaticModeStateMachine/Stop",
                Operator,
            ),
            Self::Abort => (
                "VisionStateMachine/AutomaticModeStateMachine/Abort",
                Operator,
            ),
        }
    }

    /// Returns the path within the system.
    pub fn path(self) -> &'static str {
        self.row().0
    }

    /// Returns the role that is required.
    pub fn role(self) -> Role {
        self.row().1
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        let path = self.path();
        path.rsplit('/').next().unwrap_or(path)
    }
}

#[cfg(test)]
mod tests {
    use inspectd_test_support::project_root;

    use super::*;

    #[test]
    fn document_lists_every_method_with_its_role() {
        let text = std::fs::read_to_string(project_root().join("docs/opcua.md"));
        let text = text.expect("docs/opcua.md");
        for method in Method::ALL {
            let row = format!("| `{}` | {} |", method.name(), method.role().name());
            assert!(text.contains(&row), "docs/opcua.md has no row {row:?}");
        }
    }
}
