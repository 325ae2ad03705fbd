//! Texts from outside, cut short for error messages.

/// How much of a text from outside an error shows, in characters.
const MAX_SHOWN_CHARS: usize = 200;

/// The beginning of a text from outside on one line, for an error.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    let mut chars = text.chars();
    for char in chars.by_ref().take(MAX_SHOWN_CHARS) {
        if char.is_control() {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// The beginning of a text, at most `bytes` long.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
