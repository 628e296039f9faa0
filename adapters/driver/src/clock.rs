//! The core counts time from an origin of the caller's; here it is the first time that anybody asked.

use bowline_core::Instant;
use std::sync::LazyLock;

static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

pub(crate) fn now() -> Instant {
    Instant::after_origin(ORIGIN.elapsed())
}

/// The same point in time on the runtime's clock.
pub(crate) fn to_std(at: Instant) -> std::time::Instant {
    const FAR: std::time::Duration = std::time::Duration::from_secs(3600 * 24 * 365);
    // A deadline centuries away does not fit every platform's clock; a year away is as good, since timers are set again when they fire early.
    *ORIGIN + at.since_origin().min(ORIGIN.elapsed() + FAR)
}

/// The point in time so far from now, on the runtime's clock.
pub(crate) fn std_after(duration: std::time::Duration) -> std::time::Instant {
    to_std(now() + duration)
}
