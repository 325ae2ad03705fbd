#!/usr/bin/env python3
"""Checks that the programs on the pages compile for a reader who pastes them.

Each Rust block becomes a package of its own, with the crates that its section of the page adds before it.
A feature that is missing there shows only here: a build of the workspace has the features of all packages.
"""

import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = pathlib.Path(os.environ.get('CARGO_TARGET_DIR', ROOT / 'target')).absolute() / 'pages'


def blocks(text):
    """The code blocks of a page: number of the section, language, code."""
    section, language, code = 0, None, []
    for line in text.splitlines(keepends=True):
        if language is not None and line.startswith('```'):
            yield section, language, ''.join(code)
            language, code = None, []
        elif language is not None:
            code.append(line)
        elif line.startswith('```'):
            language = line.strip('`\n')
        elif line.startswith('#'):
            section += 1


def cargo(package, *arguments):
    subprocess.run(['cargo', *arguments], cwd=package, check=True)


def add(package, line):
    """Runs a `cargo add` of a page. The crate is the one of this repository."""
    words = line.split()
    flags = [word for word in words if word.startswith('-')]
    first = words.index(flags[0]) if flags else len(words)
    for name in words[:first]:
        source = ['--path', ROOT] if name == 'apify-runs' else []
        cargo(package, 'add', '--quiet', name, *source, *words[first:])


def check(name, additions, code):
    """Compiles a program in a new package."""
    package = PACKAGES / name
    shutil.rmtree(package, ignore_errors=True)
    (package / 'src').mkdir(parents=True)
    (package / 'src/main.rs').write_text(code)
    # The versions that the workspace has.
    shutil.copy(ROOT / 'Cargo.lock', package)
    manifest = f'[package]\nname = "{name}"\nedition = "2024"\n\n[workspace]\n\n'
    manifest += ''.join(code for language, code in additions if language == 'toml')
    manifest = manifest.replace('apify-runs = {', f'apify-runs = {{ path = "{ROOT}",')
    (package / 'Cargo.toml').write_text(manifest)
    for language, commands in additions:
        if language in ('sh', 'console'):
            for line in re.findall(r'^(?:\$ )?cargo add (.*)$', commands, re.MULTILINE):
                add(package, line)
    print(name, flush=True)
    cargo(package, 'check', '--quiet', '--target-dir', PACKAGES / 'target')


def main():
    for page in [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]:
        last, additions, count = 0, [], 0
        for section, language, code in blocks(page.read_text()):
            if section != last:
                last, additions = section, []
            if language == 'rust':
                count += 1
                check(f'{page.stem.lower()}-{count}', additions, code)
            else:
                additions.append((language, code))


main()
