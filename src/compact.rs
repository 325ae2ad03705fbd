//! JSON without insignificant whitespace.
//!
//! To find the end of each string takes twice as long as what this does: it finds whitespace, and
//! decides from the bytes around it whether it is in a string. In valid JSON
//!
//! - strings have no control characters, so whitespace that begins with one is insignificant;
//! - a space after `":` is insignificant if the quote ends a string. It does, unless the byte
//!   before it is a backslash or one that a string can follow;
//! - two values have a bracket, comma or colon between them, so spaces between other bytes are in
//!   a string.
//!
//! For any other space, strings are followed from the last place known to be outside of them.

/// Bytes that are looked at together, one for each bit of a mask.
const BLOCK: usize = 64;
/// Most pieces between whitespace are shorter, and are copied without a call.
const PIECE: usize = 32;

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = LOW_BITS << 7;

/// Appends JSON without the whitespace between its tokens, and with each of its other bytes.
///
/// What is no valid JSON is appended in some form.
pub(crate) fn compact(json: &[u8], out: &mut Vec<u8>) {
    let (blocks, rest) = json.as_chunks::<BLOCK>();
    let first = blocks.iter().position(|block| has_whitespace(block));
    if first.is_none() && !has_whitespace(rest) {
        return out.extend_from_slice(json);
    }
    let first = first.unwrap_or(blocks.len());
    let mut last = [b'x'; BLOCK];
    last[..rest.len()].copy_from_slice(rest);

    out.reserve(json.len() + PIECE);
    let mut text = Text {
        json,
        copied: 0,
        outside: 0,
    };
    for (index, block) in (first..).zip(blocks[first..].iter().chain([&last])) {
        let start = index * BLOCK;
        let mut mask = whitespace(block);
        while mask != 0 {
            let run = start + mask.trailing_zeros() as usize;
            // The carry clears the run, and sets the bit behind it.
            let behind = mask.wrapping_add(mask & mask.wrapping_neg());
            mask &= behind;
            let length = behind.trailing_zeros() as usize;
            let end = start + length;
            if text.is_insignificant(run, end, length < BLOCK) {
                text.copy_to(run, out);
                text.copied = end;
            }
        }
    }
    text.copy_to(json.len(), out);
}

/// JSON, and how much of it is done.
struct Text<'a> {
    json: &'a [u8],
    /// Up to here it is copied or left out. This is outside of strings.
    copied: usize,
    /// Up to here it is known what is in strings. This is outside of them.
    outside: usize,
}

impl Text<'_> {
    /// Whether whitespace is outside of strings. If it is not `whole`, it may continue behind `end`.
    #[inline(always)]
    fn is_insignificant(&mut self, start: usize, end: usize, whole: bool) -> bool {
        self.json[start] != b' '
            // The second part of a run.
            || start == self.copied
            || follows_key(&self.json[..start])
            || self.is_outside(start, whole.then_some(end))
    }

    /// Decides about all other spaces. These are rare, and this takes no registers from the loop.
    #[cold]
    #[inline(never)]
    fn is_outside(&mut self, start: usize, end: Option<usize>) -> bool {
        let is_word = |byte: &u8| !matches!(byte, b',' | b':' | b'[' | b']' | b'{' | b'}');
        let before = self.json[..start].last();
        let behind = end.and_then(|end| self.json.get(end));
        if before.is_some_and(is_word) && behind.is_some_and(is_word) {
            return false;
        }
        self.outside = self.outside.max(self.copied);
        while self.outside < start {
            let between = &self.json[self.outside..start];
            let Some(quote) = between.iter().position(|byte| *byte == b'"') else {
                self.outside = start;
                break;
            };
            self.outside = string_end(self.json, self.outside + quote + 1);
        }
        self.outside == start
    }

    #[inline(always)]
    fn copy_to(&mut self, end: usize, out: &mut Vec<u8>) {
        let length = end - self.copied;
        let rest = &self.json[self.copied..];
        match rest.first_chunk::<PIECE>() {
            Some(piece) if length <= PIECE => {
                let length = out.len() + length;
                out.extend_from_slice(piece);
                out.truncate(length);
            }
            _ => out.extend_from_slice(&rest[..length]),
        }
    }
}

/// Whether this ends with a string and a colon. If not, it still may.
#[inline(always)]
fn follows_key(json: &[u8]) -> bool {
    let Some([before, b'"', b':']) = json.last_chunk::<3>() else {
        return false;
    };
    !matches!(before, b'\\' | b'{' | b'[' | b',' | b':' | 0..=b' ')
}

/// The end of the string of which this is the inside.
fn string_end(json: &[u8], mut place: usize) -> usize {
    while let Some(rest) = json.get(place..)
        && let Some(found) = memchr::memchr2(b'"', b'\\', rest)
    {
        if rest[found] == b'"' {
            return place + found + 1;
        }
        place += found + 2;
    }
    json.len()
}

/// The compiler makes vector instructions of it.
fn has_whitespace(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |any, byte| any | (*byte <= b' '))
}

/// A bit for each byte that is whitespace, or a control character, which JSON has nowhere else.
#[inline(always)]
fn whitespace(block: &[u8; BLOCK]) -> u64 {
    // Bit `i` of byte `j`: whether byte `j` of word `i` is something else.
    let mut others = 0;
    for (shift, word) in (0..8).rev().zip(block.as_chunks().0) {
        let word = u64::from_le_bytes(*word);
        let beyond_space = (word & !HIGH_BITS) + LOW_BITS * (0x7f - b' ' as u64);
        others |= ((beyond_space | word) & HIGH_BITS) >> shift;
    }
    !transposed(others)
}

/// Eight bytes as a matrix of bits, with rows and columns exchanged.
#[inline(always)]
fn transposed(mut bits: u64) -> u64 {
    for (distance, places) in [
        (7, 0x00aa_00aa_00aa_00aa),
        (14, 0x0000_cccc_0000_cccc),
        (28, 0x0000_0000_f0f0_f0f0),
    ] {
        let different = (bits ^ (bits >> distance)) & places;
        bits ^= different ^ (different << distance);
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn compacted(json: &str) -> String {
        let mut out = b"before".to_vec();
        compact(json.as_bytes(), &mut out);
        let out = String::from_utf8(out).unwrap();
        out.strip_prefix("before").unwrap().to_owned()
    }

    #[test]
    fn what_is_compact_stays_as_it_is() {
        for json in [
            "",
            "null",
            r#""""#,
            r#"" ""#,
            r#"" , ""#,
            r#"{"a: ":": b","c\\":" , "}"#,
            r#"["\": ","\\",": \\\" , {"," "]"#,
            r#"{"n":[1e400,-0.0,1.10],"n":"\u00e9 \ud83d\ude00 é 😀","":{}}"#,
        ] {
            assert_eq!(compacted(json), json);
            // Where a block ends makes no difference.
            for length in 0..2 * BLOCK {
                let json = format!("[\"{}\",{json}]", "-".repeat(length));
                assert_eq!(compacted(&json), json);
            }
        }
    }

    #[test]
    fn whitespace_between_tokens_goes() {
        for (json, expected) in [
            (" \t\r\n", ""),
            ("\n 1 ", "1"),
            (r#"{ "a" : 1 , "b": [ ] }"#, r#"{"a":1,"b":[]}"#),
            (r#"{"": " ", "b\\": "c"}"#, r#"{"":" ","b\\":"c"}"#),
            (r#"{"a": ": b", "{": ", "}"#, r#"{"a":": b","{":", "}"#),
            (
                r#"["a: ", "\": ", ": ", " "]"#,
                r#"["a: ","\": ",": "," "]"#,
            ),
            (r#"{":": 1, ",": 2, "\"": 3}"#, r#"{":":1,",":2,"\"":3}"#),
            ("{\r\n\t\"a\":\t1,\r\n\t\"b\": \t2\r\n}", r#"{"a":1,"b":2}"#),
        ] {
            assert_eq!(compacted(json), expected);
            for length in 0..2 * BLOCK {
                let dashes = "-".repeat(length);
                let json = format!("[\"{dashes}\" ,{json}  ]");
                assert_eq!(compacted(&json), format!("[\"{dashes}\",{expected}]"));
            }
        }
    }

    #[test]
    fn whitespace_may_be_of_any_length() {
        for length in 0..3 * BLOCK {
            let spaces = " ".repeat(length);
            let json = format!("{{{spaces}\"a\":{spaces}\"{spaces}\"\n{spaces},\"b\":{spaces}1}}");
            assert_eq!(compacted(&json), format!("{{\"a\":\"{spaces}\",\"b\":1}}"));
        }
    }

    /// Each space of the strings asks where the last one has begun.
    #[test]
    fn long_strings_take_no_time() {
        let json = format!(r#"["a",{}]"#, r#"" , : ","a, b, ","#.repeat(200_000) + "1");
        assert_eq!(compacted(&json), json);
        let json = format!(r#"["{}"]"#, " , ".repeat(1_000_000));
        assert_eq!(compacted(&json), json);
    }

    fn string() -> impl Strategy<Value = String> {
        let escaped = r#"\" \\ \\\" \": \", \n \u0020 \ud83d\ude00"#.split(' ');
        let plain = ["a", "é", "😀", "1234567", "HG7ML7M8z78YcAPEB"];
        let marks = [
            " ", " ", " ", ":", ": ", ",", ", ", "{", "}", "[", "]", " {", "/",
        ];
        let parts = escaped.chain(plain).chain(marks).collect::<Vec<_>>();
        let part = prop_oneof![
            40 => select(parts).prop_map(str::to_owned),
            1 => (0..2 * BLOCK).prop_map(|length| " ".repeat(length)),
        ];
        vec(part, 0..6).prop_map(|parts| format!("\"{}\"", parts.concat()))
    }

    /// The tokens of a value.
    fn value() -> impl Strategy<Value = Vec<String>> {
        let scalars = ["null", "true", "0", "-0.0", "1.10", "1e400", "[]"];
        let scalar = select(scalars.to_vec()).prop_map(str::to_owned);
        let leaf = prop_oneof![2 => string().boxed(), 1 => scalar.boxed()];
        let leaf = leaf.prop_map(|token| vec![token]);
        leaf.prop_recursive(4, 64, 8, |inner| {
            let field = (string(), inner.clone());
            let field = field.prop_map(|(key, value)| [vec![key, ":".into()], value].concat());
            prop_oneof![
                vec(inner, 0..5).prop_map(|items| between("[", &items, "]")),
                vec(field, 0..8).prop_map(|fields| between("{", &fields, "}")),
            ]
        })
    }

    fn between(open: &str, items: &[Vec<String>], close: &str) -> Vec<String> {
        let items = items.join(&",".to_owned());
        [vec![open.into()], items, vec![close.into()]].concat()
    }

    fn whitespace_of_any_kind() -> impl Strategy<Value = String> {
        let short = select(" |\t|\n|\r|  | \t|\r\n|\n  ".split('|').collect::<Vec<_>>());
        prop_oneof![
            10 => Just(String::new()),
            10 => short.prop_map(str::to_owned),
            3 => (0..12_usize).prop_map(|indent| format!("\n{}", " ".repeat(indent))),
            1 => (0..2 * BLOCK).prop_map(|length| " ".repeat(length)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(3000)
        })]

        #[test]
        fn any_form_of_a_value_becomes_its_compact_form(
            tokens in value(),
            gaps in vec(whitespace_of_any_kind(), 1..40),
        ) {
            let expected = tokens.concat();
            prop_assert_eq!(&compacted(&expected), &expected);

            let mut gaps = gaps.iter().cycle();
            let mut spaced = gaps.next().unwrap().clone();
            for (token, gap) in tokens.iter().zip(gaps) {
                spaced += token;
                spaced += gap;
            }
            prop_assert_eq!(compacted(&spaced), expected, "{:?}", spaced);
        }

        #[test]
        fn what_is_no_json_does_no_harm(parts in vec(select(&b"\"\\ \n\x01:,{}[]a\xff"[..]), 0..300)) {
            let mut out = Vec::new();
            compact(&parts, &mut out);
            prop_assert!(out.len() <= parts.len());
        }
    }
}
