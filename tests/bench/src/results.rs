//! All figures of a run.

use crate::contender::{Contender, REFERENCE};
use crate::load::Shape;
use crate::measure::{Figure, Figures, Part};
use crate::stats::Rounds;
use std::collections::BTreeMap;
use std::time::Duration;

/// Who has a figure: the contenders' names in the order in which they are shown.
#[derive(Default)]
pub(crate) struct Results {
    figures: BTreeMap<(Figure, &'static str), Rounds>,
    /// Who was measured.
    pub(crate) contenders: Vec<Contender>,
    /// What was not measured of whom, and why, for the reader.
    pub(crate) skipped: Vec<(&'static str, String)>,
    /// Who could not be started.
    pub(crate) absent: Vec<&'static str>,
    /// Who failed in what.
    pub(crate) failed: Vec<(&'static str, Part)>,
    pub(crate) about: About,
}

/// What a reader has to know to read the figures.
#[derive(Default)]
pub(crate) struct About {
    pub(crate) machine: String,
    pub(crate) date: String,
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    /// Of one measurement of a shape.
    pub(crate) each: Duration,
    /// Sessions whose memory is measured, that are cut, that are told the same.
    pub(crate) crowds: Crowds,
    pub(crate) shapes: Vec<Shape>,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Crowds {
    pub(crate) idle: usize,
    pub(crate) cut: usize,
    pub(crate) told: usize,
}

impl Results {
    pub(crate) fn add(&mut self, contender: &Contender, figures: Figures) {
        for (figure, value) in figures {
            self.figures.entry((figure, contender.name)).or_default().push(value);
        }
    }

    pub(crate) fn rounds(&self, figure: Figure, contender: &str) -> Option<&Rounds> {
        // The names are static, and there are few.
        self.figures.iter().find(|((f, name), _)| *f == figure && *name == contender).map(|(_, rounds)| rounds)
    }

    pub(crate) fn median(&self, figure: Figure, contender: &str) -> Option<f64> {
        self.rounds(figure, contender)?.median()
    }

    /// By how much it is more than the reference's.
    pub(crate) fn ratio(&self, figure: Figure, contender: &str) -> Option<f64> {
        self.ratio_to(figure, contender, REFERENCE)
    }

    pub(crate) fn ratio_to(&self, figure: Figure, contender: &str, other: &str) -> Option<f64> {
        self.rounds(figure, contender)?.ratio(self.rounds(figure, other)?)
    }

    /// Whether this one has any figure.
    pub(crate) fn knows(&self, contender: &str) -> bool {
        self.figures.keys().any(|(_, name)| *name == contender)
    }

    /// Whether anybody has such a figure.
    pub(crate) fn has(&self, wanted: impl Fn(Figure) -> bool) -> bool {
        self.figures.keys().any(|(figure, _)| wanted(*figure))
    }
}
