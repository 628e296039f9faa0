use bowline_core::Responder;
use std::sync::{Arc, Mutex, PoisonError};

/// The answer to one request, while it is owed: with the session's task, or shared with the application.
pub(crate) enum Owed {
    /// The task has it; what the handler returns is the answer.
    Here(Option<Responder>),
    /// The application may answer before its handler returns, or after.
    Shared(Arc<AnswerSlot>),
}

/// An answer that the application holds.
pub(crate) struct AnswerSlot(Mutex<Slot>);

struct Slot {
    responder: Option<Responder>,
    keeper: Keeper,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeper {
    Handler,
    Application,
}

impl Owed {
    pub(crate) fn new(responder: Responder) -> Self {
        Self::Here(Some(responder))
    }

    /// Lets the application answer.
    pub(crate) fn share(&mut self) -> Arc<AnswerSlot> {
        let responder = match self {
            Self::Here(responder) => responder.take(),
            Self::Shared(slot) => return Arc::clone(slot),
        };
        let slot = Arc::new(AnswerSlot(Mutex::new(Slot { responder, keeper: Keeper::Handler })));
        *self = Self::Shared(Arc::clone(&slot));
        slot
    }

    /// What the end of the handler has to answer, if nobody has and nobody else will.
    pub(crate) fn settle(&mut self) -> Option<Responder> {
        match self {
            Self::Here(responder) => responder.take(),
            Self::Shared(slot) => {
                let mut slot = slot.0.lock().unwrap_or_else(PoisonError::into_inner);
                match slot.keeper {
                    Keeper::Handler => slot.responder.take(),
                    Keeper::Application => None,
                }
            }
        }
    }

    /// Whether it is `slot`.
    pub(crate) fn is(&self, slot: &Arc<AnswerSlot>) -> bool {
        match self {
            Self::Here(_) => false,
            Self::Shared(mine) => Arc::ptr_eq(mine, slot),
        }
    }

    /// Calls `f` with the responder, if it has not been answered.
    pub(crate) fn with(&self, f: impl FnOnce(&Responder)) {
        match self {
            Self::Here(responder) => {
                if let Some(responder) = responder {
                    f(responder);
                }
            }
            Self::Shared(slot) => slot.with(f),
        }
    }
}

impl AnswerSlot {
    /// The right to answer, once.
    pub(crate) fn take(&self) -> Option<Responder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).responder.take()
    }

    /// From now on the end of the handler answers nothing.
    pub(crate) fn keep(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keeper = Keeper::Application;
    }

    /// Calls `f` with the responder, if it has not been answered.
    pub(crate) fn with(&self, f: impl FnOnce(&Responder)) {
        if let Some(responder) = &self.0.lock().unwrap_or_else(PoisonError::into_inner).responder {
            f(responder);
        }
    }
}
