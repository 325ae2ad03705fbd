//! `apify-runs completions` and `apify-runs man`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::exit::{Exit, Failure};
use crate::stdout::print;

pub(crate) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(shell, &mut command, "apify-runs", &mut script);
    match shell {
        Shell::Bash => print(with_one_name(&script).as_bytes()),
        _ => print(&script),
    }
}

/// The script for bash, with one name for the program. `clap_complete` 4.6 writes the dash in it in
/// two ways, and then completes no flag of any command.
fn with_one_name(script: &[u8]) -> String {
    String::from_utf8_lossy(script).replace("apify__subcmd__runs", "apify__runs")
}

/// One page for the program and all its commands.
pub(crate) fn man() -> Result<Exit, Failure> {
    let mut page = Vec::new();
    let mut command = Arguments::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        let name = format!("apify-runs {}", subcommand.get_name());
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        let man = clap_mangen::Man::new(subcommand.clone().bin_name(name));
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    print(&page)
}
