"""Write docs/artifacts.md: every file of the workflow, the tables from their declared schemas.

Run `make docs` after a change of a table; a test compares the page with the schemas.
"""

from pathlib import Path

from prunescope.foundation.tables import Column, Table
from prunescope.study.results.all_tables import ALL_TABLES

PAGE = Path(__file__).resolve().with_name("artifacts.md")

INTRODUCTION = """\
# Artifacts: every file, every column

This page is written by `docs/make_artifacts.py` from the schemas, which stand with the stage that
writes them: the modules `*_table.py` and `*_tables.py` in `workflow_scripts/prunescope/`. Change
them there, then run `make docs`.

All files but downloads lie below `results/`. Names in braces stand for:

| Name | Stands for |
|---|---|
| `{study}` | `study` of the config, such as `fashion_mnist` |
| `{dataset}` | a key of `datasets`, such as `fashion_mnist` |
| `{split}` | `train`, `test`, `validation` (a sample of `test`), `probe` (a sample of `train`) |
| `{probe}` | `probe`, or the probe set of a variant of the score, such as `probe-4000-seed0` |
| `{method}` | `dense`, or a key of `pruning.methods` |
| `{retraining}` | a key of `retraining`, such as `none`, `one_shot`, `iterative` |
| `{rate}` | the pruning rate with two decimals; `0.00` for the dense network |
| `{seed}` | a number of `seeds` |
| `{metric}` | similarity metric with `-` for `:`, such as `timm-tf_efficientnet_lite0` |
| `{chart}` | name of a chart, such as `mis_vs_accuracy` |

A network is one folder, `results/{study}/networks/{method}/{retraining}/rate{rate}/seed{seed}/`.
`dense/none/rate0.00` is the dense network. `dense/one_shot/rate0.00` is the dense network
retrained like the pruned ones, the control for the extra training.

Of a dataset of image files, the splits `train` and `test` have only `index.parquet`.

Accuracies, sparsities and scores are fractions between 0 and 1, never percent. Tables, arrays,
network files and charts are written under another name first and moved into place when they are
complete; what a failed job leaves behind is removed or made again.

A column that may be missing holds nulls where there is no value: `lr`, `train_loss` and
`train_top1` before training, a mean score where no unit is left to average, an interval or a p
value where the method gives none.
"""

OTHER_FILES = """\
## Files that are not tables

### `downloads/{file}`

Weights that `model.checkpoint` or `imported` name, as downloaded or put there by hand. They are
verified when they come and again when they are read. `make clean` leaves them alone. What has come
of a download that broke off is `{file}.part`; the next run continues it.

### `config/{study}.lock`

The SHA-256 of downloads whose authors publish none, as they were at their first use, and their
addresses, in YAML. Jobs write it and compare with it ([similarity.md](similarity.md#checksums)). It
belongs to the config of the study: keep it, and give it to whoever runs the study too.

### `downloads/published_scores/{scores}.pkl`

The published scores of units, one file for each network, as their authors pickled them. They are
verified by the SHA-256 checksums in
`workflow_scripts/prunescope/interpret/published_scores/files.py`, and opened without pandas.

### `results/datasets/{dataset}/source/`

The files of an archive as published: the four of Fashion-MNIST (decompressed, IDX format), or the
tar archive of CIFAR-10 or Imagenette. Their SHA-256 checksums are in
`workflow_scripts/prunescope/data/sources/`; a file with another checksum is refused.

### `results/datasets/{dataset}/{split}/images.npy`

The images of a split: NumPy array, `uint8`, shape `(images, 3, side, side)`, values 0 to 255.
`side` is `datasets.<name>.image_size`. The images of Fashion-MNIST are centred on black and
repeated in three channels; those of CIFAR-10 are as published where `side` is 32; image files are
resized, and their centre is cut out. Open it with
`np.load(path, mmap_mode="r")` to read only what you index. `index.parquet` beside it says where
each image comes from.

### `results/datasets/{dataset}/{split}/images.unfinished`, `images.unfinished.json`

The images that a job packs, and how far it got. Gone when it is done; if it was killed, the next
run goes on with them.

### `results/datasets/{dataset}/train/copies.bin`

Small copies of the train images as JPEG files, one after the other, in the order of
`index.parquet`. Made with `datasets.<name>.train_store` only. `copies.parquet` beside it says where
each begins, how long it is, and its CRC-32, which is compared whenever a copy is read.

### `results/datasets/{dataset}/train/copies.unfinished`, `copies.unfinished.rows`

The copies that a job makes, and a line for each image that is done. Gone when it is done; if it was
killed, the next run goes on with them.

### `results/datasets/{dataset}/{split}/labels.npy`

The class of each image in the same order: NumPy array, `int64`, shape `(images,)`.

### `results/datasets/{dataset}/{probe}/embeddings_{metric}.npy`

What the similarity metric makes of each probe image: NumPy array, `float32`, shape
`(images, features)`. Row i belongs to image i of the probe split. Every row has length 1, except
those of LPIPS, whose squared distances are what counts.

### `results/datasets/{dataset}/{probe}/similarity_{metric}.npy`

The similarity of all pairs of probe images (the cosine, or 1 - LPIPS): NumPy array, `float32`,
shape `(images, images)`, symmetric. One matrix serves every unit of every network. Absent where it
would exceed `interpretability.similarity.largest_matrix_mb`: scores then come from the embeddings.

### `results/datasets/{dataset}/{probe}/embeddings_{metric}.json`, `similarity_{metric}.json`

Provenance of the array of the same name, because `.npy` has no room for it: rule, wildcards,
parameters, digest of the code, versions.

### `results/datasets/{dataset}/architectures/{architecture}/architecture.json`

What is known of a network before it has weights, found by building it once: JSON with
`architecture` and `provenance`. `architecture` has `layers`, as in network files, `parameters`
(their number), `macs` (multiply-accumulates for one image), those of `parameter_macs` among them:
of weights that belong to no layer, and `coupled`: the channels that can only be removed together,
with the layers that make and read them, and the parameters without a layer that carry them. The
folder is named after `model.architecture`, and after a digest of it, the options and the
auxiliary heads. Studies of one dataset share it.
`prunescope.networks.architecture_files.load(path)` reads it without PyTorch.

### `results/datasets/{dataset}/architectures/{architecture}/graph.json`, `graph.safetensors`

What a network of this architecture computes, step by step, as `torch.export` sees it; made only
if networks are made compact. JSON with `graph` and `provenance`. `graph` has `steps`, each with
PyTorch's operation (`op`), its arguments (`given`; `{"value": NAME}` is what another step makes)
and the `shapes` of what it makes of two images; `state`, the tensors of the network that the
steps read; `output`, the step of the logits; and `stays_masked`, what stands in the way of
compact networks of this architecture, or an empty text. `graph.safetensors` holds tensors that
are in no state dict, such as tables of indices. `prunescope.networks.exported.steps.load(path)`
reads both without PyTorch.

### `{network folder}/pruned.safetensors`

The network right after pruning: weights and masks. Absent for `dense`. Of a network that was pruned
elsewhere, it is what was read from its file.

### `{network folder}/step{step}.safetensors`

The dense network after so many steps of its training. Only where networks are rewound to its
weights ([method.md](method.md#retraining)).

### `{network folder}/network.safetensors`

The network that is measured: trained, made of weights from elsewhere, retrained, or (with the
retraining `none`) a copy of `pruned.safetensors`.

All network files have the same layout:

- Under the name of a parameter or buffer, such as `inception3a.branch1.conv.weight`: its values.
  Names and shapes are those of the PyTorch module's `state_dict()`.
- Under `mask:` and the name of a parameter, such as `mask:inception3a.branch1.conv.weight`: its
  mask, booleans of the same shape, true where the parameter is kept. Parameters that the method
  does not consider have no mask, and the dense network has none at all.

Where the retraining says `mask: enforced`, what a mask excludes is exactly zero in the file.
Where it says `mask: released`, the mask tells what was pruned, and the weights may have regrown.

The metadata of the file has one entry, `prunescope`, which is JSON text with two parts:

- `network`: `architecture` and `options` (as in the config), `classes`, `image_size` (pixels),
  `mean` and `std` (of each channel,
  for images scaled to 0..1), `transform_input` (whether the network takes images normalised with
  ImageNet's mean and deviation and normalises them to -1..1 itself), `auxiliary_heads` (whether
  it has any), and `layers`: for each convolution and fully connected layer its
  `name`, `kind`, `shape`, `output_size` (height and width in pixels), `batch_norm` (the layer that
  follows, or null), `auxiliary` and `unreached` (positions of the kernel, row and column, that
  [no image reaches](pruning.md)).
- `provenance`: rule, wildcards, parameters, digest of the code, versions; of retrained networks
  also `retrain_on`: whether the `masked` or the `compact` one was trained
  ([training.md](training.md#what-pruned-networks-are-trained-on)).

`prunescope.networks.network_files.load(path)` reads all of these files without PyTorch;
`prunescope.networks.modules.to_module(network)` makes a PyTorch module of the result.

### `{network folder}/compact.safetensors`, `compact.json`

The network without what was pruned ([compact.md](compact.md)). The description, JSON, has
`network` (how to feed it, as in network files), `graph` (its steps: `name`, `op`, `inputs` and
settings; the last one makes the output), `tensors` (name and SHA-256 of the file beside it) and
`provenance`. The tensors have the names that they have in the PyTorch module: `weight` and `bias`
of each layer, and `channels`, `int64`, of a step that picks channels.
`prunescope.compact.graph.graph_files.load(path of the description)` reads both without PyTorch.

### `{network folder}/compact.onnx`

The same as an ONNX model: input `images`, output `logits`, batches of any size. Its metadata hold
`network` (how to feed it) and `prunescope` (provenance), both as JSON.

Costs that are measured stand in `costs.parquet` and not in `accounting.parquet`: they differ from
run to run, while `accounting.parquet` and all that follows from it has the same bytes in each.

### `results/{study}/summary.md`

What the study found: the answer in three sentences, a table of verdicts, what cannot be
concluded, and a warning
where [trivial units](method.md#trivial-units) tell against the score; also printed at the end of a
run. [method.md](method.md#what-is-said-of-a-study) tells what must be shown before it
is said.

### `results/{study}/pages/statistics.html`, `networks.html`, `published.html`, `configuration.html`

Tables to read and filter in a browser (works without a network connection), and the config of the
study. The tables themselves, with all digits, are the Parquet files.

### `results/{study}/published_scores.md`

What the published scores of units say ([published_scores.md](published_scores.md)): a paragraph,
the numbers under each reading of dead units beside each other, and what stands against them. Its
chart is `charts/published_scores`. What stands above the tables is also printed at the end of a run
and shown on the first page of the report, which holds the whole file. Only made if
`unit_scores.source` is `published`.

### `results/{study}/charts/{chart}.html`, `.svg`, `.png`, `.json`, `.txt`

A chart as a page (hover over a point to read it, choose it to see its network in the explorer;
works without a network connection), as a vector picture, as a bitmap, and as a Vega-Lite
specification. The specification holds the values that are drawn, and the provenance under
`usermeta.prunescope`. The `.txt` file is the finding in
words, with its numbers; it is also the description that screen readers read.

### `results/{study}/explorer/`

The unit explorer ([explorer.md](explorer.md)): open `index.html` in it. `index.html`, `app.js` and
`style.css` are the same for all studies. Images and data are loaded when they are shown:

- `images/sheet{number}.png` (`.jpg` where thumbnails are smaller than the images): the probe
  images, row by row.
- `data/study.js`: networks, layers, classes, settings, provenance, and the class of each image.
- `data/{method}/{retraining}/rate{rate}/seed{seed}/scores.js`: the scores of every unit.
- `data/{method}/{retraining}/rate{rate}/seed{seed}/images.js`: of every unit that is not constant,
  its strongest and weakest images with their activations, and the deltas of its tasks.
- `data/{method}/{retraining}/rate{rate}/seed{seed}/tasks.js`: the images of three tasks of each
  of these units.

A data file is one call of `explorer.deliver(name, header, data)`. The header is JSON and lists the
columns: name, type (`u1`, `u2`, `u4` unsigned integers, `f4` floats, little-endian) and shape. The
data are the columns one after the other, of each the first bytes of all values, then the second
bytes and so on; deflated (zlib), in base64.

### `results/{study}/pages/explorer/`

A smaller copy of the explorer, for the report: one run, and `tasks.js` of two networks only.

### `results/logs/`

One log for each job, in the same folders as the results: what it did, the training of each
epoch, and the reason of a failure. A log is overwritten when its job runs again.

### `results/report_{study}.zip`

The summary, charts, tables, the unit explorer and the config in one file to send, made by `make
report`. Unpack it and open `report_{study}/report.html`.
"""


def render() -> str:
    """The whole page."""
    tables = [_table(table) for table in ALL_TABLES.values()]
    heading = "## Tables\n\nParquet files, compressed with zstd. Types are those of polars.\n"
    return "\n".join([INTRODUCTION, heading, *tables, OTHER_FILES])


def _table(table: Table) -> str:
    rows = [_row(name, column) for name, column in table.columns.items()]
    return "\n".join(
        [
            f"### `{table.path}`",
            "",
            f"One row is {table.description[0].lower()}{table.description[1:]}",
            "",
            "| Column | Type | What it holds | Unit | May be missing |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(name: str, column: Column) -> str:
    missing = "yes" if column.nullable else "no"
    cells = (f"`{name}`", f"`{column.dtype}`", column.description, column.unit, missing)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
