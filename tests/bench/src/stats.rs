//! Medians, spreads and ratios of what was measured in several rounds.

/// The values of one thing, one of each round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle value; the mean of the two middle ones of an even number.
    pub(crate) fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
        Some(f64::midpoint(lower, upper))
    }

    /// The smallest and the largest.
    pub(crate) fn spread(&self) -> Option<(f64, f64)> {
        let smallest = self.0.iter().copied().min_by(f64::total_cmp)?;
        let largest = self.0.iter().copied().max_by(f64::total_cmp)?;
        Some((smallest, largest))
    }

    /// The ratios of each round's value to that of `reference` in the same round.
    pub(crate) fn paired(&self, reference: &Self) -> Self {
        Self(self.0.iter().zip(&reference.0).map(|(value, reference)| value / reference).collect())
    }

    /// The ratio of the medians.
    pub(crate) fn ratio(&self, reference: &Self) -> Option<f64> {
        Some(self.median()? / reference.median()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Rounds {
        Rounds(values.to_vec())
    }

    #[test]
    fn the_median_is_the_middle_and_ratios_are_of_medians() {
        assert_eq!(of(&[]).median(), None);
        assert_eq!(of(&[3.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).median(), Some(2.5));
        assert_eq!(of(&[2.0, 8.0, 4.0]).ratio(&of(&[1.0, 2.0, 9.0])), Some(2.0));
        assert_eq!(of(&[2.0, 8.0]).paired(&of(&[1.0, 2.0])).spread(), Some((2.0, 4.0)));
    }
}
