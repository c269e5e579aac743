// The same call for a shell and for Python, quoted so that it sends what the form would, whatever that holds.
"use strict";

(() => {
    const playground = window.Playground;
    const {hidden, spelled} = playground;

    // A word of a POSIX shell. What hides (a terminal may act on it while it is pasted) goes as octal bytes into $'…',
    // which bash, zsh, ksh, busybox and POSIX.1-2024 know.
    const shellWord = (text) => {
        if (/^[\w@%+=:,./-]+$/.test(text)) return text;
        if (text.search(hidden) < 0) return `'${text.replaceAll("'", "'\\''")}'`;
        const octal = (part) =>
            Array.from(new TextEncoder().encode(part), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
        return `$'${text.replace(/[\\'!]/g, octal).replace(hidden, octal)}'`;
    };

    // A file for `curl -F`, whose own quotes keep `;` and `,` in a name from meaning something.
    const curlFile = (name) => {
        const shown = name === "-" ? "./-" : name;
        return /^[\w. +=@-]+$/.test(shown) ? shown : `"${shown.replace(/[\\"]/g, "\\$&")}"`;
    };

    // JSON's strings are Python's, too.
    const pythonString = (text) => JSON.stringify(text).replace(hidden, spelled);

    const sent = (fields) => Object.entries(fields).filter(([, value]) => value);

    playground.asCurl = ({url, file, fields, hasPassword}) =>
        [
            `curl -N ${shellWord(url)}`,
            '-H "Authorization: Bearer $KEY"',
            `-F ${shellWord(`file=@${curlFile(file)}`)}`,
            ...sent(fields).map(([name, value]) => `--form-string ${shellWord(`${name}=${value}`)}`),
            ...(hasPassword ? ['--form-string "file_password=$PASSWORD"'] : []),
            "-F stream=true",
        ].join(" \\\n    ");

    playground.asPython = ({url, file, fields, hasPassword}) => {
        const data = sent(fields).map(([name, value]) => `"${name}": ${pythonString(value)},`);
        if (hasPassword) data.push(`"file_password": os.environ["PASSWORD"],`);
        return `import os

import httpx

with open(${pythonString(file)}, "rb") as file:
    reply = httpx.post(
        ${pythonString(url)},
        headers={
            "Authorization": f"Bearer {os.environ['KEY']}",
            "Prefer": "wait=60",
        },
        files={"file": file},
        data={
            ${data.join("\n            ")}
        },
        timeout=90,
    )
reply.raise_for_status()
print(reply.json())`;
    };
})();
