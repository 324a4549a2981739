//! Consumers: clients whose position in the journal the daemon stores.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use thiserror::Error;

use crate::client::Client;
use crate::error::Error;
use crate::proto::{
    AcknowledgeVerdictsRequest, Consumer, ForgetConsumerRequest, ListConsumersRequest,
};

/// The most bytes of a name.
const LONGEST_BYTES: usize = 64;

/// The name of a consumer: 1 to 64 of `a` to `z`, `0` to `9`, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConsumerName(String);

/// The text is not the name of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?}: a consumer's name is 1 to 64 of a-z, 0-9, '-' and '_'")]
pub struct ConsumerNameError(String);

impl FromStr for ConsumerName {
    type Err = ConsumerNameError;

    fn from_str(text: &str) -> Result<Self, ConsumerNameError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if (1..=LONGEST_BYTES).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(ConsumerNameError(text.to_owned()))
    }
}

impl ConsumerName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for ConsumerName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Client {
    /// Acknowledges all verdicts up to and including `sequence`. Returns once that is durable.
    ///
    /// A name that the daemon does not know becomes a new consumer. An acknowledgement never goes back.
    ///
    /// # Errors
    /// If the daemon does not answer, has no journal, or did not assign `sequence` yet.
    pub async fn acknowledge(
        &self,
        consumer: &ConsumerName,
        sequence: u64,
    ) -> Result<Consumer, Error> {
        let mut inspection = self.inspection();
        let call = inspection.acknowledge_verdicts(AcknowledgeVerdictsRequest {
            consumer: consumer.to_string(),
            sequence,
        });
        let consumer = self.answer(call).await?.consumer;
        consumer.ok_or(Error::Incomplete { field: "consumer" })
    }

    /// Returns the consumers, by name.
    ///
    /// # Errors
    /// If the daemon does not answer, or has no journal.
    pub async fn consumers(&self) -> Result<Vec<Consumer>, Error> {
        let mut inspection = self.inspection();
        let call = inspection.list_consumers(ListConsumersRequest {});
        Ok(self.answer(call).await?.consumers)
    }

    /// Removes a consumer: the daemon no longer stores its position.
    ///
    /// # Errors
    /// If the daemon does not answer, has no journal, or does not know the consumer.
    pub async fn forget_consumer(&self, consumer: &ConsumerName) -> Result<(), Error> {
        let mut inspection = self.inspection();
        let call = inspection.forget_consumer(ForgetConsumerRequest {
            consumer: consumer.to_string(),
        });
        self.answer(call).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_other_characters_or_lengths_are_rejected() {
        let check = |text: &str, accepted: bool| {
            assert_eq!(text.parse::<ConsumerName>().is_ok(), accepted, "{text:?}");
        };
        check("mes", true);
        check("line-2_archive", true);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
        check("", false);
        check("MES", false);
        check("a b", false);
    }
}
