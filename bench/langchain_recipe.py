"""What a user would write instead, after the LangChain tutorials: load, split, embed, FAISS.

python -m bench.langchain_recipe FOLDER INDEX_FOLDER
"""

import sys
from pathlib import Path

from langchain_community.document_loaders import PyPDFLoader, TextLoader
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

from assistant.models import BUNDLED, embedder_folder


def load(folder: Path) -> list[Document]:
    """All Markdown and PDF files, a document a page."""
    documents: list[Document] = []
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".pdf":
            documents.extend(PyPDFLoader(str(file)).load())
        elif file.suffix == ".md":
            documents.extend(TextLoader(str(file), encoding="utf-8").load())
    return documents


def main() -> None:
    """Build the index and say how large it is."""
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    pieces = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(load(folder))
    embeddings = HuggingFaceEmbeddings(model_name=str(embedder_folder(BUNDLED)))
    FAISS.from_documents(pieces, embeddings).save_local(str(target))
    print(f"{len(pieces)} pieces")


if __name__ == "__main__":
    main()
