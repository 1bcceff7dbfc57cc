//! Classifies the answer to a tap. Pure.

use std::time::Duration;

use super::client::Reply;
use super::lines::Sent;
use super::meaning;
use super::wire::{self, ServerVerdict};
use crate::attend::ledger::outbox::{Ended, Outgoing, Settled};

/// What an attempt has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    /// For the tap.
    pub how: Settled,
    /// No connection could be made.
    pub gone: bool,
    /// Status and beginning of the answer and what it means, or why there was none.
    pub answer: String,
    /// No further attempt will make the answer clear, unless a person changes something.
    pub unclear: bool,
    /// When to come again, where the answer says so.
    pub asked: Option<Duration>,
    over: bool,
    maybe_stored: bool,
}

impl Judgement {
    /// Classifies an answer.
    pub fn of(sent: &Sent) -> Self {
        let tap = &sent.tap;
        let (answer, verdict, asked, refused) = match &sent.reply {
            Reply::Answer {
                status,
                body,
                head,
                retry_after,
            } => (
                meaning::describe(*status, body, head),
                wire::verdict(*status, body),
                *retry_after,
                wire::is_refusal(*status, body),
            ),
            Reply::NoAnswer(why) | Reply::TooSlow(why) => {
                (why.clone(), ServerVerdict::Trouble, None, false)
            }
            Reply::Unreachable(why) => (why.clone(), ServerVerdict::Trouble, None, true),
        };
        let how = match verdict {
            ServerVerdict::Stored => Settled::Delivered,
            // An attempt before this one may have been stored, whatever was heard of it.
            ServerVerdict::Duplicate if tap.attempts > 0 => Settled::Delivered,
            ServerVerdict::Duplicate => Settled::UnexpectedDuplicate,
            ServerVerdict::Rejected if sent.from_api => Settled::Rejected,
            ServerVerdict::Rejected | ServerVerdict::Trouble => Settled::NotYet,
        };
        Self {
            how,
            gone: matches!(sent.reply, Reply::Unreachable(_)),
            unclear: matches!(&sent.reply, Reply::Answer { status, body, head, .. }
                if meaning::never_clears(*status, body, head)),
            answer,
            asked,
            over: !matches!(sent.reply, Reply::TooSlow(_)),
            maybe_stored: match how {
                Settled::NotYet => tap.maybe_stored || !refused,
                Settled::UnexpectedDuplicate => true,
                Settled::Delivered | Settled::Rejected => false,
            },
        }
    }

    /// An answer that has not taken the tap.
    #[cfg(test)]
    pub fn refusal(answer: &str, asked: Option<Duration>) -> Self {
        Self {
            how: Settled::NotYet,
            gone: false,
            answer: answer.to_owned(),
            unclear: false,
            asked,
            over: true,
            maybe_stored: false,
        }
    }

    /// What is to be noted of the tap.
    pub fn noted(self, tap: Outgoing) -> Ended {
        Ended {
            id: tap.id,
            uid: tap.uid,
            idempotency_key: tap.idempotency_key,
            how: self.how,
            answer: self.answer,
            over: self.over,
            maybe_stored: self.maybe_stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(reply: Reply, attempts: i64, maybe_stored: bool, from_api: bool) -> Judgement {
        Judgement::of(&Sent {
            tap: Outgoing {
                id: 1,
                uid: "04".into(),
                local_time: String::new(),
                clock: String::new(),
                idempotency_key: String::new(),
                attempts,
                maybe_stored,
            },
            reply,
            from_api,
        })
    }

    fn answer(status: u16, body: &str) -> Reply {
        Reply::Answer {
            status,
            body: body.to_owned(),
            head: meaning::Head::default(),
            retry_after: None,
        }
    }

    #[test]
    fn a_rejection_needs_the_api_s_word_and_its_health() {
        let error = || answer(400, r#"{"status":"error"}"#);
        assert_eq!(judge(error(), 0, false, true).how, Settled::Rejected);
        assert_eq!(judge(error(), 0, false, false).how, Settled::NotYet);
        let page = answer(400, "<html>Bad Request</html>");
        assert_eq!(judge(page, 0, false, true).how, Settled::NotYet);
    }

    #[test]
    fn a_duplicate_is_believed_after_an_attempt() {
        let duplicate = || answer(200, r#"{"status":"duplicate"}"#);
        assert_eq!(
            judge(duplicate(), 0, false, false).how,
            Settled::UnexpectedDuplicate
        );
        assert_eq!(judge(duplicate(), 1, false, false).how, Settled::Delivered);
    }

    #[test]
    fn what_the_server_may_have_is_remembered() {
        let lost = || Reply::NoAnswer("reset".into());
        let slow = || Reply::TooSlow("slow".into());
        for (reply, maybe_stored, over) in [
            (lost(), true, true),
            (slow(), true, false),
            (answer(502, "<html>"), true, true),
            (answer(200, "<html>"), true, true),
            (answer(403, "<html>"), false, true),
            (answer(500, r#"{"status":"error"}"#), false, true),
            (Reply::Unreachable("refused".into()), false, true),
        ] {
            let judged = judge(reply.clone(), 0, false, false);
            let known = (judged.how, judged.maybe_stored, judged.over);
            assert_eq!(known, (Settled::NotYet, maybe_stored, over), "{reply:?}");
            assert!(judge(reply, 1, true, false).maybe_stored, "as before");
        }
    }
}
