//! W3C trace context as text: the one form in which a trace crosses a queue, a call or a frame.

use std::collections::HashMap;

use opentelemetry::{Context, global, trace::TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header's name, in records and in calls.
pub const TRACE_PARENT: &str = "traceparent";

/// The current span's context; empty if it is not traced.
pub fn current() -> String {
    of(&Span::current())
}

/// A span's context; empty if it is not traced.
pub fn of(span: &Span) -> String {
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return String::new();
    }
    let mut carrier = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut carrier));
    carrier.remove(TRACE_PARENT).unwrap_or_default()
}

/// Continues in `span` what `trace_parent` began. Before the span is entered, else it is too late.
pub fn continue_in(span: &Span, trace_parent: &str) {
    if trace_parent.is_empty() {
        return;
    }
    let carrier = HashMap::from([(TRACE_PARENT.to_owned(), trace_parent.to_owned())]);
    let parent: Context = global::get_text_map_propagator(|propagator| propagator.extract(&carrier));
    // Fails only where no trace is recorded at all.
    let _ = span.set_parent(parent);
}
