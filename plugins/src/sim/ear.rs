//! Collects the errors that nodes log.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    dispatcher::{get_default, with_default},
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};

/// An error that a node logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoggedError {
    /// The module that logged it.
    pub(super) target: &'static str,
    /// Message and fields.
    pub(super) text: String,
}

/// The errors of one simulation that were not taken yet.
#[derive(Clone)]
pub(super) struct Ear {
    heard: Arc<Mutex<Vec<LoggedError>>>,
    /// The listener that is set on this thread.
    dispatch: Dispatch,
}

impl Ear {
    /// Makes an ear that passes everything on to the log that the calling thread has now.
    pub(super) fn new() -> Self {
        let heard = Arc::default();
        let listener = Listener {
            heard: Arc::clone(&heard),
            log: get_default(Dispatch::clone),
            most: LevelFilter::current().max(LevelFilter::ERROR),
        };
        Self { heard, dispatch: Dispatch::new(listener) }
    }

    /// Runs `work` and listens meanwhile.
    pub(super) fn listen(&self, work: impl FnOnce()) {
        with_default(&self.dispatch, work);
    }

    /// Returns the errors that were logged since the last call.
    pub(super) fn take(&self) -> Vec<LoggedError> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps errors, and passes everything on.
struct Listener {
    heard: Arc<Mutex<Vec<LoggedError>>>,
    log: Dispatch,
    most: LevelFilter,
}

fn is_error(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && *metadata.level() == Level::ERROR
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_error(metadata) { Interest::always() } else { self.log.register_callsite(metadata) }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_error(metadata) || self.log.enabled(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if is_error(metadata) {
            let mut text = Text::default();
            event.record(&mut text);
            let error =
                LoggedError { target: metadata.target(), text: text.message + &text.fields };
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(error);
        }
        if self.log.enabled(metadata) {
            self.log.event(event);
        }
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.log.new_span(span)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        self.log.record(span, values);
    }

    fn record_follows_from(&self, span: &span::Id, follows: &span::Id) {
        self.log.record_follows_from(span, follows);
    }

    fn clone_span(&self, span: &span::Id) -> span::Id {
        self.log.clone_span(span)
    }

    fn try_close(&self, span: span::Id) -> bool {
        self.log.try_close(span)
    }

    fn enter(&self, span: &span::Id) {
        self.log.enter(span);
    }

    fn exit(&self, span: &span::Id) {
        self.log.exit(span);
    }
}

/// Message and fields as one line.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_heard_and_nothing_else() {
        let ear = Ear::new();
        ear.listen(|| {
            tracing::error!(slot = 7, "it is wrong");
            tracing::warn!("it may be wrong");
        });
        tracing::error!("nobody listens");
        let heard = ear.take();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!((heard[0].target, &*heard[0].text), (module_path!(), "it is wrong slot=7"));
        assert_eq!(ear.take(), []);
    }
}
