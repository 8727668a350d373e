"""Run a campaign: ``python -m tests.campaigns NAME``.

A campaign takes too long for the ordinary tests, which run a sample of it. Each is a module with a function ``main``,
which prints a table and exits 1 if a claim does not hold.
"""

import argparse

from tests.campaigns import accuracy, arguments, files, gallery, idx, networks, rules, survival
from tests.campaigns.mutation import campaign as mutation

CAMPAIGNS = {
    "accuracy": accuracy,
    "arguments": arguments,
    "files": files,
    "gallery": gallery,
    "idx": idx,
    "mutation": mutation,
    "networks": networks,
    "rules": rules,
    "survival": survival,
}  # name -> module

if __name__ == "__main__":
    listed = "\n".join(f"  {name:12} {module.__doc__.splitlines()[0]}" for name, module in CAMPAIGNS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns",
        description=f"campaigns:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=CAMPAIGNS)
    CAMPAIGNS[parser.parse_args().name].main()
