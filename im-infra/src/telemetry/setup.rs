//! Puts the parts together, once per process.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::{
    KeyValue, global,
    metrics::{Meter, MeterProvider as _},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use prometheus::{Encoder as _, Registry as Prometheus, TextEncoder};
use tracing::Level;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, filter::dynamic_filter_fn, fmt, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

use super::{LogFormat, TelemetryOptions, logging};

/// Telemetry could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Not a filter such as `info,im_logic=debug`.
    #[error("log level: {0}")]
    Level(String),
    /// The log file cannot be written.
    #[error("log file: {0}")]
    File(#[from] std::io::Error),
    /// Exporters.
    #[error("telemetry: {0}")]
    Setup(String),
}

/// A process's logs, traces and metrics. Clones share.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    prometheus: Prometheus,
    meters: SdkMeterProvider,
    tracer: Option<SdkTracerProvider>,
    level: Option<reload::Handle<EnvFilter, Registry>>,
    /// Dropped last, so that the file gets every line.
    _file: Mutex<Option<WorkerGuard>>,
}

/// Targets of libraries that would trace the exporter itself, or say everything twice.
const NOT_TRACED: [&str; 6] = ["h2", "hyper", "tonic", "tower", "opentelemetry", "sqlx"];

impl Telemetry {
    /// Sets up logs, traces and metrics of this process under the service's name.
    ///
    /// # Errors
    /// If the level, the file or the exporter cannot be.
    pub fn init(service: &'static str, instance: &str, options: &TelemetryOptions) -> Result<Self, TelemetryError> {
        let setup = |error: &dyn std::fmt::Display| TelemetryError::Setup(error.to_string());
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
            .build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        let mut tracers = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(options.trace.sample_ratio))));
        if !options.trace.otlp_endpoint.is_empty() {
            let exporter = opentelemetry_otlp::SpanExporter::builder()
                .with_tonic()
                .with_endpoint(&options.trace.otlp_endpoint)
                .build()
                .map_err(|e| setup(&e))?;
            tracers = tracers.with_batch_exporter(exporter);
        }
        let tracer = tracers.build();

        // One global filter, and only the filter can be reloaded: a filter on the trace layer loses spans (tracing 2519).
        let filter = EnvFilter::try_new(&options.log.level).map_err(|e| TelemetryError::Level(e.to_string()))?;
        let (filter, level) = reload::Layer::new(filter);
        let traces = tracing_opentelemetry::layer().with_tracer(tracer.tracer("im")).with_filter(dynamic_filter_fn(
            |meta, _| {
                *meta.level() <= Level::INFO && !NOT_TRACED.iter().any(|target| meta.target().starts_with(target))
            },
        ));
        let (file, guard) = if options.log.file.as_os_str().is_empty() {
            (None, None)
        } else {
            let (writer, guard) = logging::rolling_file(&options.log)?;
            (Some(fmt::layer().json().flatten_event(true).with_ansi(false).with_writer(writer)), Some(guard))
        };
        let (json, pretty) = match options.log.format {
            LogFormat::Json => (Some(fmt::layer().json().flatten_event(true)), None),
            LogFormat::Pretty => (None, Some(fmt::layer().compact())),
        };
        Registry::default()
            .with(filter)
            .with(json)
            .with(pretty)
            .with(file)
            .with(options.trace.recorded().then_some(traces))
            .try_init()
            .map_err(|e| setup(&e))?;
        let (prometheus, meters) = metrics(service)?;
        Ok(Self {
            inner: Arc::new(Inner {
                prometheus,
                meters,
                tracer: Some(tracer),
                level: Some(level),
                _file: Mutex::new(guard),
            }),
        })
    }

    /// Metrics only, private to the caller; logs and traces go nowhere.
    pub fn for_tests() -> Self {
        #[allow(clippy::expect_used)]
        let (prometheus, meters) = metrics("test").expect("a fresh registry takes its first exporter");
        Self { inner: Arc::new(Inner { prometheus, meters, tracer: None, level: None, _file: Mutex::new(None) }) }
    }

    /// Makes instruments.
    pub fn meter(&self) -> Meter {
        self.inner.meters.meter("im")
    }

    /// All metrics in Prometheus's text format.
    ///
    /// # Errors
    /// If they cannot be written as text.
    pub fn metrics_text(&self) -> Result<String, TelemetryError> {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.inner.prometheus.gather(), &mut text)
            .map_err(|e| TelemetryError::Setup(e.to_string()))?;
        String::from_utf8(text).map_err(|e| TelemetryError::Setup(e.to_string()))
    }

    /// The log filter now.
    pub fn level(&self) -> String {
        let level = self.inner.level.as_ref().and_then(|level| level.with_current(ToString::to_string).ok());
        level.unwrap_or_else(|| "off".to_owned())
    }

    /// Changes the log filter.
    ///
    /// # Errors
    /// If it is not one; the old one stays.
    pub fn set_level(&self, filter: &str) -> Result<(), TelemetryError> {
        let filter = EnvFilter::try_new(filter).map_err(|e| TelemetryError::Level(e.to_string()))?;
        match &self.inner.level {
            Some(level) => level.reload(filter).map_err(|e| TelemetryError::Level(e.to_string())),
            None => Ok(()),
        }
    }

    /// Sends what is left. Blocks: last of all, off the async threads.
    pub fn shutdown(&self) {
        if let Some(tracer) = &self.inner.tracer
            && let Err(error) = tracer.shutdown()
        {
            tracing::warn!(%error, "traces were not all sent");
        }
        drop(self.inner._file.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl super::TraceOptions {
    /// Without a receiver no span is recorded: that is most of tracing's cost.
    fn recorded(&self) -> bool {
        !self.otlp_endpoint.is_empty()
    }
}

fn metrics(service: &'static str) -> Result<(Prometheus, SdkMeterProvider), TelemetryError> {
    let prometheus = Prometheus::new();
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(prometheus.clone())
        .scope_info_enabled(false)
        .build()
        .map_err(|e| TelemetryError::Setup(e.to_string()))?;
    let resource = Resource::builder().with_service_name(service).build();
    Ok((prometheus, SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build()))
}
