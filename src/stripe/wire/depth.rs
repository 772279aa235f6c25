//! How deep a body is nested. Nothing here minds, since nothing here reads JSON by recursion; but
//! whoever reads the stored bodies may do so with a parser that does.

use crate::stripe::wire::NotAnEvent;

/// More than a body of the usual size can have: an event of Stripe's is not refused for its form.
pub const JSON_DEPTH: usize = 1 << 20;

/// That no more than so many objects and lists lie in one another.
pub fn check_depth(body: &[u8], most: usize) -> Result<(), NotAnEvent> {
    // Most bodies have fewer in all, and counting costs next to nothing.
    let openers = body.iter().filter(|&&byte| byte == b'{' || byte == b'[').count();
    if openers <= most || depth(body) <= most {
        return Ok(());
    }
    let why = format!("it is nested deeper than {most} levels; see BURSAR_MAX_JSON_DEPTH");
    Err(NotAnEvent { why })
}

/// Of what may be no JSON at all: then it is refused for that later.
fn depth(body: &[u8]) -> usize {
    let (mut deepest, mut depth) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for &byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_one_another_counts() {
        for (body, expected) in [
            (&b"{}"[..], 1),
            (b"[[],[],[[]]]", 3),
            (br#"{"a":"[[[[","b":[]}"#, 2),
            (br#"{"a":"\"[[[","b":1}"#, 1),
            (br#"{"a":"\\","b":[[]]}"#, 3),
            (b"]]]{", 1),
            (b"", 0),
        ] {
            assert_eq!(depth(body), expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn many_brackets_side_by_side_are_not_deep() {
        let side_by_side = format!("[{}]", vec!["[]"; 1000].join(","));
        assert!(check_depth(side_by_side.as_bytes(), 2).is_ok());
        assert!(check_depth(side_by_side.as_bytes(), 1).is_err());
    }
}
