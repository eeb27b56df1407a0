//! Settings from environment variables: empty ones count as unset, and an error names its variable.

use std::{any::TypeId, ffi::OsStr, path::PathBuf};

use clap::{
    Arg, Command, Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// The command without its variables that are set and empty, as `${X:-}` in a compose file sets
/// them.
pub(super) fn without_empty(command: Command) -> Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|argument| {
            let leave_out = argument.get_env().is_some_and(is_empty);
            if leave_out { argument.env(None::<&str>) } else { argument }
        })
        .mut_subcommands(without_empty)
}

/// The error with the variable that its value comes from, if it comes from one.
pub(super) fn named(mut error: Error, mut command: Command) -> Error {
    // Only a built command has all arguments.
    command.build();
    let shown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(shown)) => Some(shown.clone()),
        _ => None,
    };
    let is_wrong = |argument: &Arg| {
        let Some(value) = argument.get_env().and_then(std::env::var_os) else { return false };
        if error.kind() == ErrorKind::InvalidUtf8 && shown.is_none() {
            // A path may be any bytes.
            let is_path = argument.get_value_parser().type_id() == TypeId::of::<PathBuf>();
            return !is_path && value.to_str().is_none();
        }
        shown.as_ref() == Some(&argument.to_string()) && !argument.get_long().is_some_and(is_given)
    };
    let Some(name) = find(&command, &is_wrong) else { return error };
    let tip = StyledStr::from(format!("the value comes from the environment variable {name}"));
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    error
}

/// The source of a setting's value, for an error: the flag, its variable, or its key in the
/// settings file.
pub(crate) fn origin(flag: &str) -> String {
    let variable = format!("QUINTET_{}", flag.replace('-', "_").to_uppercase());
    if is_given(flag) {
        format!("--{flag}")
    } else if std::env::var_os(&variable).is_some_and(|value| !value.is_empty()) {
        variable
    } else {
        format!("{flag} in the settings file")
    }
}

/// Returns true if this process's command line has the flag.
fn is_given(flag: &str) -> bool {
    let names = |text: &OsStr| {
        let name = text.to_str().and_then(|text| text.strip_prefix("--"));
        name.is_some_and(|text| text.split('=').next() == Some(flag))
    };
    std::env::args_os().any(|text| names(&text))
}

/// The variable of the first argument that this is true of, in the command and those below it.
fn find(command: &Command, is_wrong: &dyn Fn(&Arg) -> bool) -> Option<String> {
    let own = command.get_arguments().find(|argument| is_wrong(argument));
    let name = own.and_then(|argument| Some(argument.get_env()?.to_string_lossy().into_owned()));
    name.or_else(|| command.get_subcommands().find_map(|below| find(below, is_wrong)))
}
