"""`python -m bench report --crate`: ro-crate-metadata.json, which makes the report's folder an RO-Crate
(https://w3id.org/ro/crate/1.1), JSON-LD that journals and repositories read.

It has the report's files with their checksums, a ClaimReview per claim of the paper with the number that decides, and
a CreateAction per network: when, on what data, at which commit and on which machine it was trained and measured.
"""

import hashlib
from pathlib import Path

from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

import bench
from bench.trial_dir import read_results
from reports.claims.deciding_number import deciding_numbers
from reports.claims.verdict_rule import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from reports.figures.figure_files import FORMATS
from reports.load import formatting
from reports.page.page_content import arrange, networks
from reports.page.report_pages import read_claims, read_pages

PAPER = {"@id": "https://arxiv.org/abs/2010.11828", "@type": "ScholarlyArticle"}
PAPER |= {"name": "Once-for-All Adversarial Training (Wang et al., NeurIPS 2020)"}
LICENCE = {"@id": "https://spdx.org/licenses/MIT", "@type": "CreativeWork", "name": "MIT License"}
MEDIA_TYPES = {"csv": "text/csv", "json": "application/json", "html": "text/html", "md": "text/markdown"}
MEDIA_TYPES |= {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf", "tex": "text/x-tex"}
MEDIA_TYPES |= {"xz": "application/x-xz", "gz": "application/gzip", "zst": "application/zstd"}
PAGES = ("index.html", "README.md", "claims.json", "claims.csv", "numbers.tex")
TIMES = {"startTime": "started", "endTime": "finished"}
RATINGS = {REPRODUCED: 1, INCONCLUSIVE: 0, NOT_REPRODUCED: -1}  # other verdicts have no rating


def write_crate(out: Path, runs: Path, archive: Path | None = None) -> Path:
    """Describe a report's folder. runs: that it was drawn from. archive: of its results, listed if it is in the folder.

    The same files give the same bytes where a network is finished, whose date the crate has; otherwise it has today's.
    """
    figures, _ = read_pages(out)
    claims = read_claims(out)
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"  # newer than version 1.1
    scales = formatting.listing(dict.fromkeys(figure["scale"] for figure in figures))
    crate.name = f"Once-for-All Adversarial Training, reproduced at scale {scales}"
    crate.description = arrange(figures, claims, (), out)["sentence"]
    crate.license, crate.root_dataset["citation"] = once(crate, LICENCE), once(crate, PAPER)
    if dates := [figure["to"] for figure in figures if figure["to"]]:
        crate.datePublished = max(dates)
    files = add_files(crate, out, figures, archive)
    actions = [add_network(crate, files, runs, *entry) for entry in networks(figures)]
    reviews = [add_review(crate, files, claim) for claim in (claims["claims"] if claims else ())]
    crate.root_dataset["mentions"] = [*reviews, *actions]
    crate.metadata.write(out)
    return out / crate.metadata.id


def add_files(crate: ROCrate, out: Path, figures: list[dict], archive: Path | None) -> dict[str, Entity]:
    """The report's files by name."""
    titles = {f"{f['figure']}.{suffix}": f for f in figures for suffix in (*f.get("formats", FORMATS), "csv", "json")}
    paths = {name: out / name for name in (*titles, *PAGES)}
    if archive and archive.resolve().is_relative_to(out.resolve()):
        paths[archive.resolve().relative_to(out.resolve()).as_posix()] = archive
    files = {}
    for name, path in paths.items():
        if path.is_file():
            content = path.read_bytes()
            about = {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "contentSize": str(len(content))}
            about["encodingFormat"] = MEDIA_TYPES[name.rpartition(".")[2]]
            about |= {"name": titles[name]["title"], "description": titles[name]["caption"]} if name in titles else {}
            files[name] = crate.add_file(path, name, properties=about)
    return files


def add_network(crate: ROCrate, files: dict[str, Entity], runs: Path, network: dict, figures: list[dict]) -> Entity:
    """How a network was made, as far as results.json says."""
    results = read_results(runs / "trials" / network["key"], network["key"])
    recipe = results.get("recipe", {})
    facts = {name: str(value) for name, value in results.get("provenance", {}).items() if value}
    machine = [facts[name] for name in ("device", "host_cpu") if name in facts]
    software = [f"{title} {facts[name]}" for name, title in (("torch", "torch"), ("python", "Python")) if name in facts]
    commands = dict.fromkeys(command for figure in figures for command in figure["commands"])
    action = {"@id": f"#network-{network['key']}", "@type": "CreateAction", "identifier": network["key"]}
    action |= {"name": f"Training and measurement of {network['name']}"}
    action |= {"description": "; ".join([*machine, *software, *commands])}
    action |= {"result": [files[name] for figure in figures if (name := f"{figure['figure']}.csv") in files]}
    action |= {term: facts[name] for term, name in TIMES.items() if name in facts}
    if "git_commit" in facts:
        commit = formatting.commit(facts["git_commit"], "git_dirty" in facts)
        identifier = f"#commit-{commit.replace(' (dirty)', '-dirty')}"
        suite = {"@id": identifier, "@type": "SoftwareApplication", "name": "oat-bench", "version": commit}
        action["instrument"] = once(crate, suite | {"softwareVersion": bench.__version__})
    if data_hash := str(recipe.get("data_hash") or ""):  # of results from elsewhere, any value
        data = {"@id": f"#data-{data_hash[:12]}", "@type": "Dataset", "identifier": data_hash}
        action["object"] = once(crate, data | {"name": formatting.dataset(str(recipe.get("dataset")))})
    return crate.add_jsonld(action)


def add_review(crate: ROCrate, files: dict[str, Entity], claim: dict) -> Entity:
    """The verdict on a claim, and the numbers that decide it."""
    verdict, name = claim["verdict"], f"#claim-{claim['id']}"
    statement = {"@id": f"{name}-statement", "@type": "Claim", "name": claim["claim"], "description": claim["paper"]}
    statement |= {"appearance": {"@id": PAPER["@id"]}}
    rating = {"@id": f"#{verdict.replace(' ', '-')}", "@type": "Rating", "alternateName": verdict}
    if verdict in RATINGS:
        rating |= {"ratingValue": RATINGS[verdict], "worstRating": -1, "bestRating": 1}
    review = {"@id": name, "@type": "ClaimReview", "name": f"Claim {claim['id']}: {verdict}"}
    review |= {"claimReviewed": claim["claim"], "itemReviewed": once(crate, statement)}
    review |= {"reviewRating": once(crate, rating)}
    names = ["claims.json", *(f"{figure}.csv" for figure in claim["figures"])]
    review["isBasedOn"] = [files[name] for name in names if name in files]
    review["additionalProperty"] = [
        once(crate, property_value(f"{name}-number-{i}", part["on"], number.lines[-1]))
        for i, (part, number) in enumerate(deciding_numbers(claim), 1)
    ]
    return crate.add_jsonld(review)


def property_value(identifier: str, data: str, line: dict) -> dict:
    """A deciding number with its 95 % interval. line: of a check's `told` in claims.json."""
    numbers = line["interval"] or {}
    bounds = {"value": numbers.get("value"), "minValue": numbers.get("low"), "maxValue": numbers.get("high")}
    text = f"{data}: {line['value']}, asked {line['asked']}"
    entity = {"@id": identifier, "@type": "PropertyValue", "name": line["what"], "description": text}
    return entity | {name: number for name, number in bounds.items() if number is not None}


def once(crate: ROCrate, entity: dict) -> Entity:
    """The entity of this @id, which is added where the crate lacks it."""
    return crate.get(entity["@id"]) or crate.add_jsonld(dict(entity))
