//! Reports as tables.

use tonic::Status;

use super::{CallError, Calls, PACKAGE, from_json};
use crate::grpc::proto::GetReportResponse;

impl Calls {
    /// The CSV table of an answer of `GetReport` as JSON, as [`Calls::unary`] returns it.
    ///
    /// # Errors
    /// When it is not such an answer.
    ///
    /// # Panics
    /// When the descriptors, which are part of the program, are damaged.
    pub fn report_csv(&self, answer: &[u8]) -> Result<String, CallError> {
        let name = format!("{PACKAGE}.GetReportResponse");
        let descriptor = self.descriptors.get_message_by_name(&name);
        let descriptor = descriptor.expect("a message of the package");
        let message = from_json(descriptor, answer)?;
        let response: Result<GetReportResponse, _> = message.transcode_to();
        let response = response.map_err(|error| Status::internal(error.to_string()))?;
        Ok(inspectd_client::report_csv(
            &response.report.unwrap_or_default(),
        ))
    }
}
