/** All images of a finished project, read-only, from the file beside the page: filter, sort, look at one closely. */

import { useMemo, useState } from "preact/hooks";
import { PageButtons } from "../grid/pages.tsx";
import { ClassSearch } from "../shared/search.ts";
import { Choice } from "../shared/views/choice.tsx";
import { ClassSearchBox } from "../shared/views/class_search.tsx";
import { Dialog } from "../shared/views/dialog.tsx";
import {
  choose,
  type Filter,
  filterOf,
  isChanged,
  NO_FILTER,
  type SiteData,
  type SortBy,
  type Word,
} from "./images.ts";

const PAGE_SIZE = 60;
const COUNTS = {
  "": "any number of labels",
  "0": "none",
  "1": "1 label",
  "2": "2 labels",
  "3": "3 labels",
  "4": "4 labels",
  "2+": "2 or more",
  "5+": "5 or more",
};
const KINDS: Record<Filter["disagreement"], string> = {
  "": "all images",
  compared: "two or more annotators",
  disputed: "annotators differ",
  agreed: "annotators agree",
  changed: "not just the original label",
  kept: "just the original label",
};
const SORTS: Record<SortBy, string> = {
  worst: "the worst first",
  order: "as in the data set",
  id: "name",
  original: "original label",
  nLabels: "number of labels",
  disagreement: "disagreement",
  nOpen: "open labels",
  source: "source",
};

export function SiteExplorer({ data }: { data: SiteData }) {
  const asked = useMemo(() => filterOf(location.hash), []);
  const [filter, setFilter] = useState(asked.filter);
  const [sort, setSort] = useState<SortBy>(asked.sort);
  const [isDescending, setDescending] = useState(asked.sort === "worst");
  const [page, setPage] = useState(0);
  const [isSearching, setSearching] = useState(false);
  const images = useMemo(() => choose(data, filter, sort, isDescending), [data, filter, sort, isDescending]);
  const [look, setLook] = useState<number | null>(asked.look ? 0 : null);
  const change = (part: Partial<Filter>) => {
    setFilter({ ...filter, ...part });
    setPage(0);
  };
  const order = (by: SortBy, descending: boolean) => {
    setSort(by);
    setDescending(descending);
    setPage(0);
  };
  const shown = images.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  const named = (names: readonly string[], any: string) =>
    Object.fromEntries([["", any], ...names.map((name) => [name, name])]) as Record<string, string>;
  return (
    <>
      <div class="mlf-site-bar">
        <button type="button" onClick={() => setSearching(true)}>
          {filter.classIndex === null ? "Any class…" : data.classes[filter.classIndex]}
        </button>
        <Choice
          label="Number of labels"
          title="Number of refined labels"
          value={filter.nLabels as keyof typeof COUNTS}
          options={COUNTS}
          onChoose={(nLabels) => change({ nLabels })}
        />
        <Choice
          label="Images"
          title="Which images"
          value={filter.disagreement}
          options={KINDS}
          onChoose={(disagreement) => change({ disagreement })}
        />
        <Choice
          label="Source"
          title="Where the labels come from"
          value={filter.source}
          options={named(data.sources, "any source")}
          onChoose={(source) => change({ source })}
        />
        <Choice
          label="Annotator"
          value={filter.person}
          options={named(
            data.people.map(({ name }) => name),
            "anybody",
          )}
          onChoose={(person) => change({ person })}
        />
        <input
          type="search"
          aria-label="Name contains"
          placeholder="Name contains"
          value={filter.text}
          onInput={(event) => change({ text: event.currentTarget.value })}
        />
        <Choice label="Sort by" value={sort} options={SORTS} onChoose={(by) => order(by, by === "worst")} />
        <button type="button" aria-pressed={isDescending} onClick={() => order(sort, !isDescending)}>
          {isDescending ? "Descending" : "Ascending"}
        </button>
        <button type="button" onClick={() => change(NO_FILTER)}>
          All images
        </button>
        <button
          type="button"
          data-mlf-action="worst"
          onClick={() => {
            order("worst", true);
            setLook(0);
          }}
        >
          The worst image
        </button>
        {filter.only !== null && <span>Chosen by the link that you followed.</span>}
        <span role="status">{images.length.toLocaleString("en")} images</span>
      </div>
      <ul class="mlf-site-tiles" aria-label="Images">
        {shown.map((image, at) => (
          <li key={image} data-image-id={data.ids[image]}>
            <button
              type="button"
              onClick={() => setLook(page * PAGE_SIZE + at)}
              aria-label={`${data.ids[image]}: look closer`}
            >
              <Thumbnail data={data} image={image} />
            </button>
            <p>{names(data, data.refined[image])}</p>
          </li>
        ))}
      </ul>
      <div class="mlf-site-bar">
        <PageButtons
          page={page}
          nPages={Math.max(1, Math.ceil(images.length / PAGE_SIZE))}
          onTurn={setPage}
        />
      </div>
      {isSearching && (
        <Dialog kind="search" title="Choose a class" onClose={() => setSearching(false)}>
          <ClassBox
            data={data}
            onChoose={(classIndex) => {
              change({ classIndex });
              setSearching(false);
            }}
          />
        </Dialog>
      )}
      {look !== null && images[look] !== undefined && (
        <Look
          data={data}
          image={images[look]}
          at={look}
          n={images.length}
          onGo={setLook}
          onClose={() => setLook(null)}
        />
      )}
    </>
  );
}

function ClassBox({ data, onChoose }: { data: SiteData; onChoose(classIndex: number | null): void }) {
  const columns = useMemo(() => {
    const empty = data.classes.map(() => "");
    return {
      names: [...data.classes],
      keys: [...data.classes],
      synonyms: empty.map(() => [] as string[]),
      definitions: empty,
    };
  }, [data]);
  const search = useMemo(() => new ClassSearch(columns), [columns]);
  return (
    <>
      <button type="button" onClick={() => onChoose(null)}>
        Any class
      </button>
      <ClassSearchBox classes={columns} search={search} onChoose={onChoose} placeholder="Name of a class" />
    </>
  );
}

function Thumbnail({ data, image, scale = 1 }: { data: SiteData; image: number; scale?: number }) {
  const { side, columns, each, files, n } = data.sprites;
  if (image >= n) return <span class="mlf-site-none">no thumbnail</span>;
  const [sprite, place] = [Math.floor(image / each), image % each];
  const [x, y] = [place % columns, Math.floor(place / columns)];
  const size = side * scale;
  return (
    <span
      role="img"
      aria-label={`image ${data.ids[image]}`}
      class="mlf-site-thumbnail"
      style={`width:${size}px;height:${size}px;background-image:url("${files[sprite]}");background-position:-${x * size}px -${y * size}px;background-size:${columns * size}px auto`}
    />
  );
}

function names(data: SiteData, labels: readonly number[] | null | undefined): string {
  if (labels == null) return "not decided";
  return labels.map((label) => data.classes[label] ?? String(label)).join(", ") || "none applies";
}

interface LookProps {
  data: SiteData;
  image: number;
  at: number;
  n: number;
  onGo(at: number): void;
  onClose(): void;
}

function Look({ data, image, at, n, onGo, onClose }: LookProps) {
  const original = data.original[image] ?? -1;
  const distance = data.disagreement[image] ?? -1;
  return (
    <Dialog kind="look" title={data.ids[image] ?? ""} onClose={onClose}>
      <div class="mlf-site-look">
        <Thumbnail data={data} image={image} scale={Math.max(1, Math.round(256 / data.sprites.side))} />
        <dl>
          <dt>Original</dt>
          <dd>{original < 0 ? "none" : data.classes[original]}</dd>
          {(data.words[image] ?? []).map((word) => (
            <Said key={`a${word[0]}`} data={data} word={word} round="annotation" />
          ))}
          {(data.refiners[image] ?? []).map((word) => (
            <Said key={`r${word[0]}`} data={data} word={word} round="refinement" />
          ))}
          <dt>Refined</dt>
          <dd>
            <strong>{names(data, data.refined[image])}</strong>
            {isChanged(data, image) && " (not just the original label)"}
          </dd>
          <dt>Source</dt>
          <dd>{data.sources[data.source[image] ?? -1] ?? "not decided"}</dd>
          <dt>Disagreement</dt>
          <dd>
            {distance < 0
              ? "undefined: fewer than two annotators"
              : `${(distance / 1000).toFixed(2)} (Jaccard distance, 0 to 1)`}
          </dd>
        </dl>
      </div>
      <div class="mlf-site-bar">
        <button type="button" disabled={at === 0} onClick={() => onGo(at - 1)}>
          Previous
        </button>
        <span>
          {at + 1} of {n.toLocaleString("en")}
        </span>
        <button type="button" disabled={at + 1 >= n} onClick={() => onGo(at + 1)}>
          Next
        </button>
      </div>
    </Dialog>
  );
}

function Said({ data, word, round }: { data: SiteData; word: Word; round: string }) {
  const [who, labels, none, unsure, comment] = word;
  const person = data.people[who];
  const said = [
    ...labels.map((label) => data.classes[label] ?? String(label)),
    ...(none ? ["none of these"] : []),
    ...(unsure ? ["unsure"] : []),
  ];
  return (
    <>
      <dt>
        {person?.name}
        {person?.simulated && " (simulated)"}, {round}
      </dt>
      <dd>
        {said.join(", ") || "nothing"}
        {comment !== "" && <q> {comment}</q>}
      </dd>
    </>
  );
}
