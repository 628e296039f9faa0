use super::load::Tally;
use crate::text::{harmless, short};
use hdrhistogram::Histogram;
use std::fmt;
use std::time::Duration;

/// Kinds of errors that are told apart.
const ERRORS_SHOWN: usize = 5;

/// What a measurement has shown.
pub(super) struct Report {
    pub(super) tally: Tally,
    /// The times that the connections took, in nanoseconds.
    pub(super) connecting: Histogram<u64>,
    pub(super) took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, connecting, took } = self;
        let answered = tally.latency.len();
        #[expect(clippy::cast_precision_loss, reason = "it is rounded anyway")]
        let rate = answered as f64 / took.as_secs_f64().max(1e-9);
        writeln!(f, "requests     {:>10}", answered + tally.failed())?;
        writeln!(f, "errors       {:>10}", tally.failed())?;
        writeln!(f, "time         {:>10}", short(*took))?;
        writeln!(f, "requests/s   {rate:>10.0}")?;
        writeln!(f)?;
        writeln!(f, "             {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}", "min", "p50", "p90", "p99", "p99.9", "max")?;
        writeln!(f, "latency      {}", row(&tally.latency))?;
        write!(f, "connection   {}", row(connecting))?;
        let mut errors: Vec<_> = tally.errors.iter().collect();
        errors.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        for (error, n) in errors.into_iter().take(ERRORS_SHOWN) {
            write!(f, "\n{n} × {}", harmless(error))?;
        }
        Ok(())
    }
}

fn row(times: &Histogram<u64>) -> String {
    let quantiles = [0.5, 0.9, 0.99, 0.999].map(|quantile| times.value_at_quantile(quantile));
    let columns = [times.min()].into_iter().chain(quantiles).chain([times.max()]);
    let shown = |nanos: u64| if times.is_empty() { "-".into() } else { short(Duration::from_nanos(nanos)) };
    columns.map(|nanos| format!("{:>10}", shown(nanos))).collect::<Vec<_>>().join(" ")
}
