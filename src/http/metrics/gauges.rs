//! Numbers that are read when they are asked for.

use prometheus::{Counter, GaugeVec, Opts, Registry};

use crate::domain::time::Timestamp;

pub(super) struct Gauges<'r>(&'r Registry);

impl<'r> Gauges<'r> {
    pub(super) fn into(registry: &'r Registry) -> Self {
        Self(registry)
    }

    pub(super) fn one(&self, name: &str, help: &str, value: f64) {
        self.labelled::<0>(name, help, &[], [([], value)]);
    }

    /// A number that only grows.
    pub(super) fn growing(&self, name: &str, help: &str, value: f64) {
        let made = Counter::new(name, help).and_then(|counter| {
            counter.inc_by(value);
            self.0.register(Box::new(counter))
        });
        if let Err(error) = made {
            tracing::error!(%error, name, "a metric is not shown");
        }
    }

    /// One number for each set of values of the labels.
    pub(super) fn labelled<'v, const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str; N],
        numbers: impl IntoIterator<Item = ([&'v str; N], f64)>,
    ) {
        let made = GaugeVec::new(Opts::new(name, help), labels).and_then(|gauges| {
            for (values, number) in numbers {
                gauges.with_label_values(&values).set(number);
            }
            self.0.register(Box::new(gauges))
        });
        if let Err(error) = made {
            tracing::error!(%error, name, "a metric is not shown");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "what is lost of a number is far less than it")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

/// Unix seconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of this age still fit")]
pub(super) fn moment(at: Timestamp) -> f64 {
    at.0 as f64 / 1e6
}
