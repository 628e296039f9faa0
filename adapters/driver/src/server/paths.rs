//! Which path serves a request (PROTOCOL 9).

/// A path that is served: exact, or everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Exact(Box<str>),
    /// The path before the `*`, with its slash.
    Below(Box<str>),
}

impl Pattern {
    /// Reads `/demo` or `/demo/*`; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let path = text.strip_suffix('*').unwrap_or(text);
        let below = path.len() < text.len();
        if !path.starts_with('/') || path.contains(['*', '?', '#', ' ']) || (below && !path.ends_with('/')) {
            return None;
        }
        Some(if below { Self::Below(path.into()) } else { Self::Exact(path.into()) })
    }

    /// What stands before the paths below it, if it is exact: `/demo` of `/demo`, nothing of `/`.
    pub(super) fn base(&self) -> Option<&str> {
        match self {
            Self::Exact(exact) => Some(exact.strip_suffix('/').unwrap_or(exact)),
            Self::Below(_) => None,
        }
    }

    /// How well it fits `path`: an exact pattern best, then the longest.
    fn fit(&self, path: &str) -> Option<usize> {
        match self {
            Self::Exact(exact) => (**exact == *path).then_some(usize::MAX),
            Self::Below(below) => path.starts_with(&**below).then_some(below.len()),
        }
    }
}

/// The index of the pattern that fits `path` best.
pub(super) fn find<'a>(patterns: impl Iterator<Item = &'a Pattern>, path: &str) -> Option<usize> {
    patterns.enumerate().filter_map(|(at, pattern)| Some((pattern.fit(path)?, at))).max().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_that_fits_best_serves() {
        let patterns: Vec<_> = ["/", "/a", "/a/*", "/a/b/*", "/a/b/c"].iter().map(|text| Pattern::parse(text).unwrap()).collect();
        for (path, expected) in [
            ("/", Some(0)),
            ("/a", Some(1)),
            ("/a/", Some(2)),
            ("/a/x/y", Some(2)),
            ("/a/b/x", Some(3)),
            ("/a/b/c", Some(4)),
            ("/A", None),
            ("/ab", None),
            ("/b", None),
            ("", None),
        ] {
            assert_eq!(find(patterns.iter(), path), expected, "{path}");
        }
    }

    #[test]
    fn other_patterns_are_refused() {
        for text in ["", "a", "*", "/a*", "/*/b", "/a?b", "/a b"] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
        assert_eq!(Pattern::parse("/*"), Some(Pattern::Below("/".into())));
    }
}
