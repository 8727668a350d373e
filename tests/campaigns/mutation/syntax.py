"""Replace an expression or a statement of a named function, by syntax trees.

A mutant says where (the qualified name of a function or method, such as ``Dense.backward``), what stands there and what
takes its place. The function is looked for in every module of the package, and the code is compared as a syntax tree:
a function that moves to another module, and code that is formatted anew, need no change in the list.
"""

import ast
import copy

DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def definitions(node, path=()):
    """Yield (qualified name, node) for each function and class in a tree."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue  # holds no definition
        name = (*path, child.name) if isinstance(child, DEFINITIONS) else path
        if isinstance(child, DEFINITIONS):
            yield ".".join(name), child
        yield from definitions(child, name)


class Replacement(ast.NodeTransformer):
    """Replaces every occurrence of ``old`` by ``new``, two pieces of code, and counts them.

    Two expressions are compared wherever an expression may stand. Otherwise ``old`` is one whole statement, and ``new``
    one or several.
    """

    def __init__(self, old, new):
        (old,), new = ast.parse(old).body, ast.parse(new).body
        if isinstance(old, ast.Expr) and len(new) == 1 and isinstance(new[0], ast.Expr):
            old, (new,) = old.value, (new[0].value,)
        self.old, self.new, self.count = old, new, 0
        self.form = ast.dump(old)

    def visit(self, node):
        if type(node) is type(self.old) and ast.dump(node) == self.form:
            self.count += 1
            return copy.deepcopy(self.new)
        return self.generic_visit(node)


def find(mutant, modules):
    """Return the path and the changed tree of the one module in which the mutant's code stands.

    ``modules`` are those of ``modules_of``. Raises ``LookupError`` unless the code stands in the
    functions of that name exactly once.
    """
    named = [path for path, names in modules if mutant.where in names]
    if not named:
        raise LookupError(f"{mutant.bug}: no function is called {mutant.where}")
    found = []
    for path in named:
        changed, replacement = ast.parse(path.read_text()), Replacement(mutant.old, mutant.new)
        for name, node in list(definitions(changed)):
            if name == mutant.where:
                replacement.visit(node)
        found += [(path, changed)] * replacement.count
    if len(found) != 1:
        places = ", ".join(path.name for path in named)
        raise LookupError(f"{mutant.bug}: {mutant.where} ({places}) holds `{mutant.old}` {len(found)} times, not once")
    return found[0]


def modules_of(package):
    """Return (path, names of its functions and classes) for each module in a folder."""
    paths = sorted(package.rglob("*.py"))
    return [(path, {name for name, _ in definitions(ast.parse(path.read_text()))}) for path in paths]


def not_found(mutants, package):
    """Return a line for each mutant whose code does not stand in the package exactly once."""
    modules, lines = modules_of(package), []
    for mutant in mutants:
        try:
            find(mutant, modules)
        except LookupError as error:
            lines.append(str(error))
    return lines


def apply(mutant, package):
    """Put the bug into the package in that folder. Raises ``LookupError`` as ``find`` does."""
    path, tree = find(mutant, modules_of(package))
    path.write_text(ast.unparse(ast.fix_missing_locations(tree)))
