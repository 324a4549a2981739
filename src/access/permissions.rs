//! The table of calls and the roles that they require. A new call needs a row here; a test compares the
//! table with the descriptors of the services in both directions. `docs/access.md` shows the table.

use super::Role;

/// A call and the role that it requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The service: `inspectd.v1.LineService`.
    pub service: &'static str,
    /// The method: `GetStatus`.
    pub method: &'static str,
    /// The lowest role that may make the call.
    pub least: Role,
}

const fn row(service: &'static str, method: &'static str, least: Role) -> Permission {
    Permission {
        service,
        method,
        least,
    }
}

const INSPECTION: &str = "inspectd.v1.InspectionService";
const LINE: &str = "inspectd.v1.LineService";
const MODEL: &str = "inspectd.v1.ModelService";
const RECIPE: &str = "inspectd.v1.RecipeService";
const TUNING: &str = "inspectd.v1.TuningService";
const REPORT: &str = "inspectd.v1.ReportService";
const EDGE_AGENT: &str = "AWS.LookoutVision.EdgeAgent";
const HEALTH: &str = "grpc.health.v1.Health";
const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";
const REFLECTION_ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// All calls. Viewers read, operators run the line, engineers change how parts are judged.
pub const PERMISSIONS: &[Permission] = &[
    row(INSPECTION, "StreamVerdicts", Role::Viewer),
    row(INSPECTION, "AcknowledgeVerdicts", Role::Operator),
    row(INSPECTION, "ListConsumers", Role::Viewer),
    row(INSPECTION, "ForgetConsumer", Role::Engineer),
    row(INSPECTION, "ListVerdicts", Role::Viewer),
    row(INSPECTION, "TriggerInspection", Role::Operator),
    row(INSPECTION, "InspectImage", Role::Operator),
    row(INSPECTION, "GetEvidence", Role::Viewer),
    row(INSPECTION, "LabelVerdict", Role::Operator),
    row(INSPECTION, "ListLabels", Role::Viewer),
    row(INSPECTION, "ExportDataset", Role::Viewer),
    row(LINE, "GetStatus", Role::Viewer),
    row(LINE, "WatchStatus", Role::Viewer),
    row(LINE, "ListCameras", Role::Viewer),
    row(LINE, "WatchBrightness", Role::Viewer),
    row(LINE, "ReloadConfiguration", Role::Engineer),
    row(LINE, "LockChanges", Role::Engineer),
    row(LINE, "UnlockChanges", Role::Engineer),
    row(LINE, "ResynchronizeGroup", Role::Operator),
    row(LINE, "GetCameraView", Role::Viewer),
    row(LINE, "PauseCamera", Role::Operator),
    row(LINE, "ResumeCamera", Role::Operator),
    row(LINE, "SetCameraControls", Role::Engineer),
    row(LINE, "AddCamera", Role::Engineer),
    row(LINE, "RemoveCamera", Role::Engineer),
    row(LINE, "RunChallenge", Role::Operator),
    row(LINE, "ListAuditEntries", Role::Engineer),
    row(MODEL, "InstallModel", Role::Engineer),
    row(MODEL, "UndoInstallation", Role::Engineer),
    row(MODEL, "GetInstallation", Role::Viewer),
    row(MODEL, "GetShadow", Role::Viewer),
    row(MODEL, "ListDisagreements", Role::Viewer),
    row(MODEL, "ResetShadow", Role::Engineer),
    row(RECIPE, "ListRecipes", Role::Viewer),
    row(RECIPE, "PrepareRecipe", Role::Operator),
    row(RECIPE, "ActivateRecipe", Role::Operator),
    row(RECIPE, "RollBackRecipe", Role::Operator),
    row(RECIPE, "GetRecipe", Role::Viewer),
    row(RECIPE, "DraftRecipe", Role::Viewer),
    row(RECIPE, "SaveRecipe", Role::Engineer),
    row(RECIPE, "DeleteRecipe", Role::Engineer),
    row(RECIPE, "ListRecipeEditions", Role::Viewer),
    row(TUNING, "SuggestThreshold", Role::Viewer),
    row(TUNING, "EvaluateThresholds", Role::Viewer),
    row(TUNING, "SetThreshold", Role::Engineer),
    row(TUNING, "ReplayVerdicts", Role::Engineer),
    row(REPORT, "GetReport", Role::Viewer),
    row(EDGE_AGENT, "DetectAnomalies", Role::Operator),
    row(EDGE_AGENT, "StartModel", Role::Operator),
    row(EDGE_AGENT, "StopModel", Role::Operator),
    row(EDGE_AGENT, "ListModels", Role::Viewer),
    row(EDGE_AGENT, "DescribeModel", Role::Viewer),
    row(HEALTH, "Check", Role::Viewer),
    row(HEALTH, "Watch", Role::Viewer),
    row(REFLECTION, "ServerReflectionInfo", Role::Viewer),
    row(REFLECTION_ALPHA, "ServerReflectionInfo", Role::Viewer),
];

/// The row of a call by its path, `/inspectd.v1.LineService/GetStatus`.
pub fn of(path: &str) -> Option<&'static Permission> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    PERMISSIONS
        .iter()
        .find(|row| row.service == service && row.method == method)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;
    use std::path::Path;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// Markers of the generated part of the page.
    const BEGIN: &str = "<!-- calls: made from the code; UPDATE_DOCS=1 cargo test writes it -->\n";
    const END: &str = "<!-- end of calls -->\n";

    /// The paths of all calls of all services of the daemon.
    fn served() -> BTreeSet<String> {
        let sets = [
            crate::grpc::proto::DESCRIPTORS,
            crate::grpc::EDGE_AGENT_DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut calls = BTreeSet::new();
        for set in sets {
            let set = FileDescriptorSet::decode(set).expect("descriptors");
            for file in set.file {
                for service in &file.service {
                    for method in &service.method {
                        let (service, method) = (service.name(), method.name());
                        calls.insert(format!("/{}.{service}/{method}", file.package()));
                    }
                }
            }
        }
        calls
    }

    #[test]
    fn every_served_call_has_exactly_one_row() {
        let rows = PERMISSIONS.iter();
        let rows: Vec<_> = rows
            .map(|row| format!("/{}/{}", row.service, row.method))
            .collect();
        let known: BTreeSet<_> = rows.iter().cloned().collect();
        assert_eq!(known, served());
        assert_eq!(known.len(), rows.len(), "a call has two rows");
    }

    #[test]
    fn path_finds_only_its_own_row() {
        let check = |path: &str, least| assert_eq!(of(path).map(|row| row.least), least, "{path}");
        check("/inspectd.v1.LineService/GetStatus", Some(Role::Viewer));
        check(
            "/inspectd.v1.LineService/ReloadConfiguration",
            Some(Role::Engineer),
        );
        check("inspectd.v1.LineService/GetStatus", None);
        check("//inspectd.v1.LineService/GetStatus", None);
        check("/inspectd.v1.LineService/GetStatus/", None);
        check("/inspectd.v1.LineService/getstatus", None);
        check("/inspectd.v1.InspectionService/GetStatus", None);
        check("/", None);
        check("", None);
    }

    fn table() -> String {
        let mut text = "\n| call |".to_owned();
        for role in Role::ALL {
            write!(text, " {role} |").expect("writing to a String cannot fail");
        }
        text.push_str("\n|---|---|---|---|\n");
        for row in PERMISSIONS {
            write!(text, "| `{}/{}` |", row.service, row.method)
                .expect("writing to a String cannot fail");
            for role in Role::ALL {
                text.push_str(if role >= row.least { " yes |" } else { " |" });
            }
            text.push('\n');
        }
        text.push('\n');
        text
    }

    #[test]
    fn access_page_has_the_current_table() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/access.md");
        let text = std::fs::read_to_string(&page).expect("docs/access.md exists");
        let (before, rest) = text.split_once(BEGIN).expect("a begin marker");
        let (_, after) = rest.split_once(END).expect("an end marker");
        let expected = format!("{before}{BEGIN}{}{END}{after}", table());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&page, expected).expect("docs/access.md can be written");
        } else {
            assert!(
                text == expected,
                "docs/access.md is out of date: UPDATE_DOCS=1 cargo test writes it"
            );
        }
    }
}
