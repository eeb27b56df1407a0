//! All metrics by name, and the text of a scrape.

use std::sync::{Arc, PoisonError, RwLock};

use bevy_ecs::prelude::Resource;
use prometheus_client::{
    collector::Collector,
    encoding::text::encode,
    registry::{Metric, Registry},
};

use super::text::to_classic;

/// Every metric of a node by name. Clones share the metrics, so that the thread that answers
/// scrapes can have one.
#[derive(Resource, Clone, Debug, Default)]
pub struct MetricsRegistry(Arc<RwLock<Registry>>);

/// The format of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Classic,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format that a request's `Accept` header prefers; [`Format::Classic`] if it prefers none.
    pub fn preferred(accept: Option<&str>) -> Self {
        let weight_of = |kind: &str| {
            let weights = accept.unwrap_or("").split(',').filter_map(|each| {
                let mut parts = each.split(';').map(str::trim);
                if !parts.next()?.eq_ignore_ascii_case(kind) {
                    return None;
                }
                let weight = parts.find_map(|part| part.strip_prefix("q="));
                Some(weight.map_or(1.0, |weight| weight.trim().parse::<f64>().unwrap_or(0.0)))
            });
            weights.fold(0.0, f64::max)
        };
        let open_metrics = weight_of("application/openmetrics-text");
        if open_metrics > weight_of("text/plain") { Self::OpenMetrics } else { Self::Classic }
    }

    /// The content type of an answer in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl MetricsRegistry {
    /// Registers a metric. A counter's name is given without `_total`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.with(|registry| registry.register(name, help, metric));
    }

    /// Registers a collector, which provides its metrics at each scrape.
    pub fn register_collector(&self, collector: impl Collector) {
        self.with(|registry| registry.register_collector(Box::new(collector)));
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Registry) -> T) -> T {
        act(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// A scrape for this `Accept` header: its content type and its text.
    pub fn encode(&self, accept: Option<&str>) -> (&'static str, String) {
        let format = Format::preferred(accept);
        let mut text = String::with_capacity(128 << 10);
        encode(&mut text, &self.0.read().unwrap_or_else(PoisonError::into_inner))
            .expect("a string takes everything");
        match format {
            Format::Classic => (format.content_type(), to_classic(&text)),
            Format::OpenMetrics => (format.content_type(), text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_format_is_the_default_and_the_other_is_asked_for() {
        let preferred = |accept| Format::preferred(Some(accept));
        assert_eq!(Format::preferred(None), Format::Classic);
        assert_eq!(preferred("*/*"), Format::Classic);
        assert_eq!(preferred("text/plain"), Format::Classic);
        assert_eq!(preferred("application/openmetrics-text"), Format::OpenMetrics);
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(preferred(prometheus), Format::OpenMetrics);
        assert_eq!(
            preferred("application/openmetrics-text; q=0.2, text/plain; q=0.4"),
            Format::Classic
        );
        assert_eq!(preferred("application/openmetrics-text;q=0"), Format::Classic);
        assert_eq!(preferred("application/openmetrics-text;q=x"), Format::Classic);
    }
}
