//! Finds what a source file imports, from its tokens alone.

use std::fmt;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What a path leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A path inside this crate, without `crate::`.
    Module(String),
    /// Another crate.
    Crate(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(path) => f.write_str(path),
            Self::Crate(name) => write!(f, "{name} (a crate)"),
        }
    }
}

/// Everything that the source of `module` names by a path, whether in a `use`, in code or inside a macro.
pub fn imports(module: &str, source: &str, crates: &[String]) -> Vec<Target> {
    let tokens: TokenStream = source.parse().expect("a Rust file");
    let module = module.split("::").map(str::to_owned).collect();
    let mut finder = Finder { module, crates, found: Vec::new() };
    finder.walk(&tokens.into_iter().collect::<Vec<_>>());
    finder.found
}

struct Finder<'a> {
    /// The path of the module that is being read.
    module: Vec<String>,
    crates: &'a [String],
    found: Vec<Target>,
}

impl Finder<'_> {
    fn walk(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(ident) => {
                    let name = ident.to_string();
                    if name == "mod" && self.enter(&tokens[at..]) {
                        at += 3;
                        continue;
                    }
                    let follows_path = at >= 2 && is_separator(&tokens[at - 2..at]);
                    if !follows_path && is_separator(&tokens[(at + 1).min(tokens.len())..]) {
                        at += self.path(&name, &tokens[at + 3..]) + 3;
                        continue;
                    }
                }
                TokenTree::Group(group) => self.walk(&group.stream().into_iter().collect::<Vec<_>>()),
                _ => {}
            }
            at += 1;
        }
    }

    /// `mod name { … }`: inside, `super` means one module more.
    fn enter(&mut self, tokens: &[TokenTree]) -> bool {
        let [_, TokenTree::Ident(name), TokenTree::Group(body), ..] = tokens else { return false };
        if body.delimiter() != Delimiter::Brace {
            return false;
        }
        self.module.push(name.to_string());
        self.walk(&body.stream().into_iter().collect::<Vec<_>>());
        self.module.pop();
        true
    }

    /// Reads the path that begins with `first ::`. Returns how many of the tokens behind that belong to it.
    fn path(&mut self, first: &str, tokens: &[TokenTree]) -> usize {
        let base = match first {
            "crate" => Vec::new(),
            "self" => self.module.clone(),
            "super" => parent(&self.module),
            name if self.crates.iter().any(|it| it == name) => {
                self.found.push(Target::Crate(name.to_owned()));
                return 0;
            }
            _ => return 0,
        };
        self.follow(base, tokens)
    }

    fn follow(&mut self, mut path: Vec<String>, tokens: &[TokenTree]) -> usize {
        let mut at = 0;
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(ident)) => {
                    let name = ident.to_string();
                    match name.as_str() {
                        "super" => path = parent(&path),
                        "self" => {}
                        _ => path.push(name),
                    }
                    at += 1;
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    for branch in inner.split(|token| matches!(token, TokenTree::Punct(it) if it.as_char() == ',')) {
                        if !branch.is_empty() {
                            self.follow(path.clone(), branch);
                        }
                    }
                    return at + 1;
                }
                // `*`, or the `<` of type arguments.
                _ => break,
            }
            if !is_separator(&tokens[at..]) {
                break;
            }
            at += 2;
        }
        // The root itself holds nothing to import.
        if !path.is_empty() {
            self.found.push(Target::Module(path.join("::")));
        }
        at
    }
}

fn parent(path: &[String]) -> Vec<String> {
    path[..path.len().saturating_sub(1)].to_vec()
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(a), TokenTree::Punct(b), ..] if a.as_char() == ':' && b.as_char() == ':')
}
