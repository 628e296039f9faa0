//! What the scanner hands out.

/// What the scanner has seen of `sessionId` among the members of a value, so that nobody need look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionMember {
    /// There is none: the value is no object, or has no such member.
    Absent,
    /// One, plainly spelled. The offsets count from the value's first byte.
    One {
        /// Where its name starts, with the quote.
        start: usize,
        /// The byte behind its colon.
        colon: usize,
        /// The byte behind its value.
        end: usize,
    },
    /// Several, or a name spelled with escapes.
    Unclear,
}

/// A value as it stands in a frame, scanned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) text: &'a str,
    pub(crate) session: SessionMember,
    /// How many arrays and objects are open at once in it, at most.
    pub(crate) levels: u32,
}
