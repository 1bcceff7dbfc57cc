//! Cards whose next tap may be sent, each once. Pure.

use std::collections::{HashSet, VecDeque};

use crate::attend::ledger::outbox::Head;

/// Cards in the order in which they are served.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heads: VecDeque<Head>,
    known: HashSet<String>,
}

/// What may be there once: a card, or a tap where the order of a card is given up.
fn key(head: &Head) -> String {
    if cfg!(feature = "unordered-delivery") {
        head.id.to_string()
    } else {
        head.uid.clone()
    }
}

impl Queue {
    /// Puts a card at the end, unless it is there.
    pub fn push(&mut self, head: Head) {
        if self.known.insert(key(&head)) {
            self.heads.push_back(head);
        }
    }

    /// Puts a card at the front: it has just been tapped.
    pub fn push_first(&mut self, head: Head) {
        if !self.known.insert(key(&head)) {
            self.heads.retain(|other| key(other) != key(&head));
        }
        self.heads.push_front(head);
    }

    /// The first ones, `most` at most; those that `skip` names are forgotten.
    pub fn first(&mut self, most: usize, skip: impl Fn(&Head) -> bool) -> Vec<Head> {
        let mut first = Vec::new();
        while first.len() < most {
            match self.heads.get(first.len()) {
                None => break,
                Some(head) if skip(head) => {
                    let gone = self.heads.remove(first.len());
                    self.forget(gone);
                }
                Some(head) => first.push(head.clone()),
            }
        }
        first
    }

    /// Takes the first `count` away.
    pub fn take(&mut self, count: usize) {
        for _ in 0..count {
            let gone = self.heads.pop_front();
            self.forget(gone);
        }
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.heads.clear();
        self.known.clear();
    }

    /// Whether the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    fn forget(&mut self, gone: Option<Head>) {
        if let Some(head) = gone {
            self.known.remove(&key(&head));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(id: i64) -> Head {
        Head {
            id,
            uid: id.to_string(),
        }
    }

    fn ids(heads: &[Head]) -> Vec<i64> {
        heads.iter().map(|h| h.id).collect()
    }

    #[test]
    fn each_card_is_there_once() {
        let mut queue = Queue::default();
        for id in [1, 2, 1, 3] {
            queue.push(head(id));
        }
        assert_eq!(ids(&queue.first(9, |_| false)), [1, 2, 3]);
        queue.push_first(head(3));
        assert_eq!(ids(&queue.first(2, |_| false)), [3, 1]);
        queue.take(1);
        queue.push(head(3));
        assert_eq!(ids(&queue.first(9, |h| h.id == 2)), [1, 3]);
        queue.push(head(2));
        assert_eq!(ids(&queue.first(9, |_| false)), [1, 3, 2]);
        queue.clear();
        assert!(queue.is_empty());
        queue.push(head(1));
        assert_eq!(ids(&queue.first(1, |_| false)), [1]);
    }
}
