//! Which sequences may be acknowledged: all before the first one that is not confirmed.

use std::collections::VecDeque;

/// The items that were received and not acknowledged yet, in the order of the stream.
#[derive(Debug, Default)]
pub struct Progress {
    items: VecDeque<Item>,
    /// The number of the first item in the queue.
    first: u64,
    /// The highest sequence before the first item in the queue.
    confirmed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    sequence: u64,
    confirmed: bool,
}

/// Identifies an item that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl Progress {
    /// Records an item. Its sequence is 0 if it has none: it is waited for, but moves no position.
    pub fn receive(&mut self, sequence: u64) -> Ticket {
        self.items.push_back(Item {
            sequence,
            confirmed: false,
        });
        Ticket(self.first + self.items.len() as u64 - 1)
    }

    /// Records that the receiver has the item, or that it need not be sent.
    pub fn confirm(&mut self, ticket: Ticket) {
        let place = ticket.0.checked_sub(self.first);
        if let Some(item) = place.and_then(|place| self.items.get_mut(place as usize)) {
            item.confirmed = true;
        }
        while self.items.front().is_some_and(|item| item.confirmed)
            && let Some(item) = self.items.pop_front()
        {
            self.first += 1;
            self.confirmed = self.confirmed.max(item.sequence);
        }
    }

    /// Returns the highest sequence that may be acknowledged; 0: none.
    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn position_stays_before_the_first_item_that_is_not_confirmed() {
        let mut progress = Progress::default();
        let tickets = [4, 0, 7, 9].map(|sequence| progress.receive(sequence));
        progress.confirm(tickets[2]);
        assert_eq!(progress.confirmed(), 0);
        progress.confirm(tickets[0]);
        assert_eq!(progress.confirmed(), 4);
        progress.confirm(tickets[1]);
        assert_eq!(progress.confirmed(), 7);
        progress.confirm(tickets[1]);
        progress.confirm(tickets[3]);
        assert_eq!(progress.confirmed(), 9);
        assert!(progress.items.is_empty());
    }

    proptest! {
        /// In any order of confirmations, also if some never arrive or arrive twice.
        #[test]
        fn nothing_at_or_after_an_unconfirmed_item_is_acknowledged(
            steps in prop::collection::vec((1_u64..5, any::<prop::sample::Index>(), any::<bool>()), 1..200),
        ) {
            let mut progress = Progress::default();
            let mut items: Vec<(u64, Ticket, bool)> = Vec::new();
            let mut sequence = 0;
            for (step, index, receive) in steps {
                if receive || items.is_empty() {
                    sequence += step;
                    items.push((sequence, progress.receive(sequence), false));
                } else {
                    let place = index.index(items.len());
                    items[place].2 = true;
                    progress.confirm(items[place].1);
                }
                let before = items.iter().take_while(|(_, _, confirmed)| *confirmed);
                let expected = before.last().map_or(0, |(sequence, _, _)| *sequence);
                prop_assert_eq!(progress.confirmed(), expected);
            }
        }
    }
}
