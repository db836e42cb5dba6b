"""Validates azure.yaml against azd's schema, and the syntax of the PowerShell hooks.

azd itself is not needed. Mistakes that are planted here must be found; if one is not, the check itself is broken.
Needs the packages in azd.txt.
"""

import copy
import json
import sys
from pathlib import Path

import tree_sitter
import tree_sitter_powershell
import yaml
from jsonschema import Draft201909Validator

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ("services", "commerce-journeys")
HOOK = (*SERVICE, "hooks", "prepackage", "posix")

# Where a mistake is planted, and the value; None removes the property.
MISTAKES = [
    (("name",), "Commerce Journeys"),
    (("infra", "modul"), "main"),
    ((*SERVICE, "host"), "functions"),
    ((*SERVICE, "dist"), None),
    ((*SERVICE, "remotebuild"), False),
    ((*SERVICE, "hooks", "prepackages"), {}),
    ((*HOOK, "shell"), "bash"),
    ((*HOOK, "run"), None),
    ((*HOOK, "runs"), "sh infra/azd/package.sh"),
]


def planted(project, path, value):
    wrong = copy.deepcopy(project)
    *parents, name = path
    place = wrong
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[name]
    else:
        place[name] = value
    return wrong


def has_syntax_error(script):
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    return parser.parse(script).root_node.has_error


def main():
    schema = json.loads((ROOT / ".ci/azure-yaml.schema.json").read_text())
    Draft201909Validator.check_schema(schema)
    validator = Draft201909Validator(schema)
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    mistakes = [f"azure.yaml: {error.json_path}: {error.message}" for error in validator.iter_errors(project)]
    accepted = [path for path, value in MISTAKES if validator.is_valid(planted(project, path, value))]
    mistakes += [f"accepted, but wrong: {'.'.join(path)}" for path in accepted]
    scripts = sorted((ROOT / "infra/azd").glob("*.ps1"))
    mistakes += [f"{script.name}: a syntax error" for script in scripts if has_syntax_error(script.read_bytes())]
    if not has_syntax_error(b"if ($true { exit 0 }"):
        mistakes.append("accepted, but wrong: PowerShell without a closing parenthesis")
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    print(f"azure.yaml, {len(MISTAKES)} planted mistakes, {len(scripts)} PowerShell hooks: {len(mistakes)} mistakes")
    return 1 if mistakes or not scripts else 0


if __name__ == "__main__":
    sys.exit(main())
